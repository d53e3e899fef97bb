import Glibc
import NIOCore
import NIOPosix

/// A bound UDP socket. NIO reads from it; sends are direct system calls.
///
/// NIO's datagram channels close for nearly every error of a send. Such an error mostly concerns one destination only:
/// a route that is gone, a firewall's rule.
///
/// Sendable because all mutable state is used only on its loop.
final class DatagramSocket: @unchecked Sendable {
    let channel: any Channel
    /// The address that it is bound to.
    let local: SocketAddress
    private var descriptor: CInt

    private init(channel: any Channel, local: SocketAddress, descriptor: CInt) {
        self.channel = channel
        self.local = local
        self.descriptor = descriptor
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Binds a socket; fails with the system's error. Datagrams that arrive before the channel has its handlers are
    /// lost.
    static func bind(to address: SocketAddress, loop: any EventLoop) -> EventLoopFuture<DatagramSocket> {
        do throws(IOError) {
            let descriptor = try makeSocket(address)
            let reader = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
            guard reader >= 0 else {
                let code = errno
                Glibc.close(descriptor)
                throw IOError(errnoCode: code, reason: "dup")
            }
            // The bootstrap owns `reader` from here on, even if it fails.
            return DatagramBootstrap(group: loop)
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
                .withBoundSocket(reader)
                .map { DatagramSocket(channel: $0, local: $0.localAddress ?? address, descriptor: descriptor) }
                .flatMapErrorThrowing { error in
                    Glibc.close(descriptor)
                    throw error
                }
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    private static func makeSocket(_ address: SocketAddress) throws(IOError) -> CInt {
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        if family == AF_INET6 {
            // A socket that is bound to every address accepts IPv4 as well, whatever the system's default is.
            var only: CInt = 0
            setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<CInt>.size))
        }
        let status = address.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
        guard status == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw IOError(errnoCode: code, reason: "bind")
        }
        return descriptor
    }

    /// Sends a datagram without waiting.
    /// - Returns: 0, or the error number. A datagram for which the socket has no room is lost, which is not an error.
    func send(_ bytes: [UInt8], to address: SocketAddress) -> CInt {
        guard descriptor >= 0 else { return EBADF }
        while true {
            let count = address.withSockAddr { target, length in
                sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), target, socklen_t(length)
                )
            }
            if count >= 0 { return 0 }
            switch errno {
            case EINTR: continue
            case EAGAIN, ENOBUFS: return 0
            case let code: return code
            }
        }
    }

    /// The form of `address` to which this socket can send; nil if there is none.
    func reachable(_ address: SocketAddress) -> SocketAddress? {
        guard address.protocol != local.protocol else { return address }
        guard case .v4 = address, local.ipAddress == "::", let host = address.ipAddress, let port = address.port else {
            return nil
        }
        return try? SocketAddress(ipAddress: "::ffff:\(host)", port: port)
    }

    func close() {
        channel.close(promise: nil)
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
