import KVCore
import KVWire
import NIOCore

/// The adapter for Redis's protocol: GET, SET (followed by WAIT if the options say so) and SCAN.
final class RESPAdapter: ProtocolAdapter {
    /// The longest time that WAIT waits for replicas, in milliseconds.
    private static let waitLimit = 1000

    private let address: Address
    /// The number of replicas that must confirm each write; 0 means that WAIT is not sent.
    private let wait: Int
    private let starts: ScanStarts
    private let getTemplate: RequestTemplate
    private let setTemplate: RequestTemplate
    private var values: Values
    private var reader = RESPReplyReader()

    init(_ address: Address, wait: Int, values: Values, starts: ScanStarts) {
        self.address = address
        self.wait = wait
        self.values = values
        self.starts = starts
        getTemplate = RequestTemplate(beforeKey: Self.beforeKey("GET", 2), afterKey: Self.afterValue(wait: 0))
        setTemplate = RequestTemplate(
            beforeKey: Self.beforeKey("SET", 3), afterKey: Self.beforeValue(values.size),
            afterValue: Self.afterValue(wait: wait))
    }

    func write(_ request: WireRequest, to buffer: inout ByteBuffer) -> Int {
        switch request {
        case .get(let key):
            getTemplate.write(key: key, &values, to: &buffer)
            return 1
        case .set(let key):
            setTemplate.write(key: key, &values, to: &buffer)
            return wait > 0 ? 2 : 1
        case .scan(let at, let count):
            let start = starts[at]
            RESPRequestWriter.begin(4, in: &buffer)
            RESPRequestWriter.argument("SCAN".utf8, to: &buffer)
            RESPRequestWriter.argument(start.isEmpty ? [UInt8(ascii: "0")] : start, to: &buffer)
            RESPRequestWriter.argument("COUNT".utf8, to: &buffer)
            RESPRequestWriter.argument("\(count)".utf8, to: &buffer)
            return 1
        }
    }

    /// The encoding of a command of `count` words up to the key, which is the second word.
    private static func beforeKey(_ command: String, _ count: Int) -> [UInt8] {
        var buffer = ByteBuffer()
        RESPRequestWriter.begin(count, in: &buffer)
        RESPRequestWriter.argument(command.utf8, to: &buffer)
        RESPRequestWriter.beginArgument(KeyName.length, in: &buffer)
        return Array(buffer.readableBytesView)
    }

    private static func beforeValue(_ size: Int) -> [UInt8] {
        var buffer = ByteBuffer()
        RESPRequestWriter.endArgument(in: &buffer)
        RESPRequestWriter.beginArgument(size, in: &buffer)
        return Array(buffer.readableBytesView)
    }

    private static func afterValue(wait: Int) -> [UInt8] {
        var buffer = ByteBuffer()
        RESPRequestWriter.endArgument(in: &buffer)
        if wait > 0 { RESPRequestWriter.write("WAIT", "\(wait)", "\(waitLimit)", to: &buffer) }
        return Array(buffer.readableBytesView)
    }

    func feed(_ bytes: inout ByteBuffer) { reader.feed(&bytes) }

    func next() throws -> WireResult? {
        guard let reply = try reader.next() else { return nil }
        switch reply {
        case .simple, .bulk, .array: return .done
        case .null: return .missing
        case .push: return .unrelated
        case .integer(let confirmed):
            // Only WAIT is answered by a number.
            if confirmed >= wait { return .done }
            return .failed(.unknown, "\(confirmed) of \(wait) replicas confirmed a write in time")
        case .error(let text): return Self.result(ofError: String(buffer: text), from: address)
        default: return .failed(.other, "an answer of another type than was asked for")
        }
    }

    func takeMisrouted() -> Bool { false }

    /// Returns the meaning of an error, which its first word says.
    static func result(ofError text: String, from address: Address) -> WireResult {
        let words = text.split(separator: " ", maxSplits: 3)
        switch words.first {
        case "MOVED":
            if words.count > 2, let moved = Address(redirection: words[2], from: address) { return .moved(moved) }
            return .failed(.other, text)
        case "ASK", "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN":
            return .failed(.refused, text)
        case "OUTCOMEUNKNOWN": return .failed(.unknown, text)
        default: return .failed(.other, text)
        }
    }
}

extension Address {
    /// - Parameter redirection: `HOST:PORT`. An IPv6 address may have brackets or, as in Redis, none. No host means the
    ///   host of `address`.
    init?(redirection: Substring, from address: Address) {
        guard let colon = redirection.lastIndex(of: ":"),
            let port = Int(redirection[redirection.index(after: colon)...]), 1...65_535 ~= port
        else { return nil }
        var host = redirection[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        self.init(host: host.isEmpty ? address.host : String(host), port: port)
    }
}
