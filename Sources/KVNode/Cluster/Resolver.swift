import Glibc
import KVCore
import NIOCore

/// Resolves names. Blocks, so it is not for event loops.
enum Resolver {
    /// All addresses of a name, in the system's order of preference; a numeric address is returned as it is.
    /// - Throws: `ResolutionError`
    static func resolve(_ address: Address) throws(ResolutionError) -> [SocketAddress] {
        if let numeric = address.numeric { return [numeric] }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(address.host, "\(address.port)", &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard status == 0 else {
            throw ResolutionError(address: address, reason: String(cString: gai_strerror(status)))
        }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = SocketAddress(entry), !found.contains(address) { found.append(address) }
            next = entry.ai_next
        }
        guard !found.isEmpty else { throw ResolutionError(address: address, reason: "it has no address") }
        return found
    }
}

/// The error of a name that does not resolve.
struct ResolutionError: Error, CustomStringConvertible {
    let address: Address
    let reason: String

    var description: String { "\(address.host) cannot be resolved: \(reason)" }
}

extension SocketAddress {
    fileprivate init?(_ entry: addrinfo) {
        guard let address = entry.ai_addr else { return nil }
        switch entry.ai_family {
        case AF_INET where Int(entry.ai_addrlen) >= MemoryLayout<sockaddr_in>.size:
            self = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
        case AF_INET6 where Int(entry.ai_addrlen) >= MemoryLayout<sockaddr_in6>.size:
            self = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
        default: return nil
        }
    }
}
