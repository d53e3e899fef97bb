import Foundation
import KVClient
import KVCore
import XCTest

/// Real `kv serve` processes on loopback, with real files: started, killed and looked at by a test.
final class TestCluster {
    struct Node {
        let id: String
        let client: Address
        let peer: Address
    }

    let directory: URL
    let nodes: [Node]
    let file: URL
    private var processes: [String: Process] = [:]

    /// - Parameter settings: more lines of the configuration, as YAML.
    init(nodes count: Int = 3, partitions: Int = 64, replicas: Int = 3, settings: String = "") throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("kv-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let ports = try Self.freePorts(2 * count)
        nodes = (0..<count).map { index in
            Node(
                id: "n\(index + 1)", client: Address(host: "127.0.0.1", port: ports[2 * index]),
                peer: Address(host: "127.0.0.1", port: ports[2 * index + 1]))
        }
        file = directory.appendingPathComponent("cluster.yaml")
        var text = "cluster: {name: test, partitions: \(partitions), replicas: \(replicas)}\nnodes:\n"
        for node in nodes { text += "  - {id: \(node.id), client: \"\(node.client)\", peer: \"\(node.peer)\"}\n" }
        text += "data_dir: \(directory.appendingPathComponent("data").path)\n" + settings
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    deinit {
        for process in processes.values where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for process in processes.values { process.waitUntilExit() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// The `kv` that was built with these tests.
    static var executable: URL {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0])
        return tests.deletingLastPathComponent().appendingPathComponent("kv")
    }

    /// Ports that nobody listens on now.
    static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
                }
            }
            guard descriptor >= 0, isBound else { throw POSIXError(.EADDRNOTAVAIL) }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }

    // MARK: Processes

    func start(_ ids: String...) throws {
        for id in ids.isEmpty ? nodes.map(\.id) : ids {
            let process = Process()
            process.executableURL = Self.executable
            process.arguments = ["serve", "--config", file.path, "--node", id]
            let log = directory.appendingPathComponent("\(id).log")
            if !FileManager.default.fileExists(atPath: log.path) {
                FileManager.default.createFile(atPath: log.path, contents: nil)
            }
            let handle = try FileHandle(forWritingTo: log)
            try handle.seekToEnd()
            process.standardError = handle
            process.standardOutput = handle
            process.standardInput = FileHandle.nullDevice
            try process.run()
            processes[id] = process
        }
    }

    func signal(_ number: Int32, _ ids: String...) {
        for id in ids.isEmpty ? nodes.map(\.id) : ids {
            if let process = processes[id], process.isRunning { kill(process.processIdentifier, number) }
        }
    }

    /// SIGKILL, and gone when this returns.
    func killNow(_ ids: String...) {
        let ids = ids.isEmpty ? nodes.map(\.id) : ids
        for id in ids { signal(SIGKILL, id) }
        for id in ids { processes.removeValue(forKey: id)?.waitUntilExit() }
    }

    /// SIGTERM; the exit code.
    func stop(_ id: String) -> Int32? {
        signal(SIGTERM, id)
        guard let process = processes.removeValue(forKey: id) else { return nil }
        process.waitUntilExit()
        return process.terminationStatus
    }

    func log(_ id: String) -> String {
        (try? String(contentsOf: directory.appendingPathComponent("\(id).log"), encoding: .utf8)) ?? ""
    }

    // MARK: Clients

    func node(_ id: String) throws -> Node { try XCTUnwrap(nodes.first { $0.id == id }) }

    func client(_ ids: String..., timeout: Span = KVClient.defaultTimeout) -> KVClient {
        let chosen = ids.isEmpty ? nodes : nodes.filter { ids.contains($0.id) }
        return KVClient(endpoints: chosen.map(\.client), timeout: timeout)
    }

    /// Until the nodes say that they can serve.
    func waitUntilReady(_ ids: String..., limit: Duration = .seconds(20)) async throws {
        for id in ids.isEmpty ? nodes.map(\.id) : ids {
            try await wait(limit: limit, for: "\(id) to be ready; its log:\n\(log(id))") {
                let answer = try? await self.http(id, "GET", "/health/ready")
                return answer?.status == 200
            }
        }
    }

    /// Polls a condition that other processes bring about.
    func wait(limit: Duration = .seconds(20), for what: String, _ condition: () async throws -> Bool) async throws {
        let end = ContinuousClock.now + limit
        while try await !condition() {
            guard ContinuousClock.now < end else {
                XCTFail("waited \(limit) for \(what)")
                throw CancellationError()
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    struct HTTPAnswer {
        let status: Int
        let headers: [String: String]
        let body: Data
    }

    /// One request over a connection of its own.
    func http(
        _ id: String, _ method: String, _ path: String, headers: [String: String] = [:], body: Data? = nil
    ) async throws -> HTTPAnswer {
        let address = try node(id).client
        let arguments =
            ["-sS", "-i", "--max-time", "20", "-X", method, "--path-as-is"]
            + headers.flatMap { ["-H", "\($0): \($1)"] }
            + (method == "HEAD" ? ["--head"] : []) + (body == nil ? [] : ["--data-binary", "@-"])
            + ["http://\(address)\(path)"]
        let result = try await run(URL(fileURLWithPath: "/usr/bin/curl"), arguments, input: body)
        guard result.status == 0 else { throw URLError(.cannotConnectToHost) }
        return try Self.parse(result.output)
    }

    private static func parse(_ data: Data) throws -> HTTPAnswer {
        var rest = data
        while let end = rest.range(of: Data("\r\n\r\n".utf8)) {
            let lines = String(decoding: rest[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
            let status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
            rest = rest[end.upperBound...]
            guard status != 100 else { continue }
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 {
                    headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                }
            }
            return HTTPAnswer(status: status, headers: headers, body: Data(rest))
        }
        throw URLError(.badServerResponse)
    }

    // MARK: Commands

    struct CommandResult {
        let status: Int32
        let output: Data
        let errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs `kv` with these arguments against all nodes, or those named.
    func kv(_ arguments: [String], at ids: [String] = [], input: Data? = nil) async throws -> CommandResult {
        let chosen = ids.isEmpty ? nodes : nodes.filter { ids.contains($0.id) }
        let endpoints = chosen.map { "\($0.client)" }.joined(separator: ",")
        return try await run(Self.executable, arguments, input: input, environment: ["KV_ENDPOINT": endpoints])
    }

    func run(
        _ executable: URL, _ arguments: [String], input: Data? = nil, environment: [String: String] = [:]
    ) async throws -> CommandResult {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.currentDirectoryURL = directory
        let (standardInput, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = standardInput
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        async let read = Task.detached { output.fileHandleForReading.readDataToEndOfFile() }.value
        async let said = Task.detached { errors.fileHandleForReading.readDataToEndOfFile() }.value
        let writer = standardInput.fileHandleForWriting
        await Task.detached {
            if let input { try? writer.write(contentsOf: input) }
            try? writer.close()
        }.value
        let (data, message) = await (read, said)
        process.waitUntilExit()
        return CommandResult(
            status: process.terminationStatus, output: data, errors: String(decoding: message, as: UTF8.self))
    }
}
