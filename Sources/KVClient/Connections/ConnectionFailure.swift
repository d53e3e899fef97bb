import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Says in a few words what went wrong with a connection.
package func failureReason(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if let failure = error.connectionErrors.first { return failureReason(failure.error) }
        return "its name is not known"
    case let error as IOError: return String(cString: strerror(error.errnoCode)).lowercased()
    case ChannelError.connectTimeout: return "no connection in time"
    case let fault as AnswerFault: return fault.reason
    case ChannelError.ioOnClosedChannel, ChannelError.eof: return "the connection was closed"
    default: return "\(error)"
    }
}

/// An address that cannot be connected to.
struct NotAPort: Error, CustomStringConvertible {
    let port: Int
    var description: String { "\(port) is not a port: those are 1 to 65535" }
}
