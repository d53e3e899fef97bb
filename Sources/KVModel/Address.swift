/// A host and port as written: a name, an IPv4 or a (bracketed) IPv6 address.
public struct Address: Hashable, Sendable {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

extension Address: CustomStringConvertible {
    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
