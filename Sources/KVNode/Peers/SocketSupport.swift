import Glibc
import KVCore
import NIOCore
import NIOPosix

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    /// Linux's TCP_USER_TIMEOUT, in milliseconds.
    static var acknowledgeTimeout: Self { .tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)) }
}

extension Address {
    /// The socket address; nil when the host is a name.
    var numeric: SocketAddress? {
        guard (0...65535).contains(port) else { return nil }
        return try? SocketAddress(ipAddress: host, port: port)
    }
}

extension Channel {
    /// Makes a listener pause when the process or the system has no descriptors left. Its loop would do nothing else
    /// otherwise, because the connection that cannot be accepted goes on waiting.
    /// - Parameter whom: the peers or clients that connect, in words.
    func pauseAccepting(_ reasons: ReasonLog, from whom: String) -> EventLoopFuture<Void> {
        eventLoop.makeCompletedFuture {
            try pipeline.syncOperations.addHandler(
                AcceptBackoffHandler { error in
                    guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) else { return nil }
                    reasons.say(
                        "connections of \(whom) cannot be taken: \(describe(error)); trying again until they can",
                        of: "accepting \(whom)")
                    return .milliseconds(200)
                })
        }
    }
}

/// Describes an error of a socket, as briefly as possible.
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
