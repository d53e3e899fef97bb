import ArgumentParser
import Glibc
import KVClient
import KVConfig
import KVCore

/// The options that say which nodes a command asks, and how long it waits.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Client addresses of nodes, tried in order (KV_ENDPOINT; default 127.0.0.1:7400).",
            valueName: "host:port[,...]"))
    var endpoint: String?

    @Option(help: ArgumentHelp("A cluster.yaml whose nodes are asked (KV_CONFIG).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("How long to wait, such as 500ms or 5s (KV_TIMEOUT; default 5s).", valueName: "time"))
    var timeout: String?

    func client() throws -> KVClient { KVClient(endpoints: try endpoints(), timeout: Duration(try span())) }

    /// The addresses of the nodes. A flag takes precedence over any variable, and addresses over a file that lists
    /// them.
    func endpoints() throws -> [Address] {
        if let endpoint { return try Self.addresses(endpoint, from: "--endpoint", .usage) }
        if let config { return try Self.addresses(inFile: config) }
        if let endpoint = environment("KV_ENDPOINT") {
            return try Self.addresses(endpoint, from: "KV_ENDPOINT", .data)
        }
        if let config = environment("KV_CONFIG") { return try Self.addresses(inFile: config) }
        return ClusterFile.standard.nodes.map(\.reachableClient)
    }

    private static func addresses(inFile path: String) throws -> [Address] {
        try ClusterFile.read(path: path).nodes.map(\.reachableClient)
    }

    private static func addresses(_ list: String, from name: String, _ status: ExitStatus) throws -> [Address] {
        try list.split(separator: ",", omittingEmptySubsequences: false).map { text in
            let place = try place(String(text), from: name, status)
            do throws(NotationError) {
                return try Address(notation: place)
            } catch {
                throw Failure(status, "\(name): '\(text)' is not \(error.wanted)")
            }
        }
    }

    /// The address in a URL, or the text if it is not a URL. People copy URLs from browsers and from other clients.
    private static func place(_ text: String, from name: String, _ status: ExitStatus) throws -> String {
        guard let scheme = text.firstRange(of: "://") else { return text }
        guard ["http", "redis", "kv"].contains(text[..<scheme.lowerBound]) else {
            throw Failure(
                status,
                "\(name): '\(text)': nodes speak plain HTTP and Redis's protocol; write http://HOST:PORT or HOST:PORT")
        }
        let rest = text[scheme.upperBound...]
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        guard rest[end...].count <= 1 else {
            throw Failure(status, "\(name): '\(text)' names something at a node; write http://HOST:PORT or HOST:PORT")
        }
        return String(rest[..<end])
    }

    func span() throws -> Nanoseconds {
        if let timeout { return try Self.span(timeout, from: "--timeout", .usage) }
        if let timeout = environment("KV_TIMEOUT") { return try Self.span(timeout, from: "KV_TIMEOUT", .data) }
        return Nanoseconds(KVClient.defaultTimeout)
    }

    private static func span(_ text: String, from name: String, _ status: ExitStatus) throws -> Nanoseconds {
        let range = Nanoseconds(KVClient.minimumTimeout)...Nanoseconds(KVClient.maximumTimeout)
        guard let span = try? Nanoseconds(notation: text), range.contains(span) else {
            throw Failure(
                status,
                "\(name): '\(text)' is not a length of time from 1ms to \(range.upperBound.notation), such as 5s")
        }
        return span
    }
}

/// Returns the value of an environment variable; nil if it is unset or empty.
func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
}
