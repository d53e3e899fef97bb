import Glibc
import KVCore
import NIOCore
import NIOPosix

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    /// Linux's TCP_USER_TIMEOUT, in milliseconds.
    static var acknowledgeTimeout: Self { .tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)) }
}

extension Address {
    /// Nil where the host is a name.
    var numeric: SocketAddress? {
        guard (0...65535).contains(port) else { return nil }
        return try? SocketAddress(ipAddress: host, port: port)
    }
}

/// An error of a socket in words, as short as possible.
func describe(_ error: any Error) -> String {
    switch error {
    case let error as IOError:
        return String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
        if let attempt = error.connectionErrors.last { return describe(attempt.error) }
        return "the name cannot be resolved"
    case ChannelError.connectTimeout:
        return "no answer in time"
    case let error as any CustomStringConvertible:
        return error.description
    default:
        return "\(error)"
    }
}
