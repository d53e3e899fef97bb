import NIOCore
import NIOHTTP1

/// A request, and the promise of what becomes of it.
struct HTTPExchange: Sendable {
    var head: HTTPRequestHead
    var body: ByteBuffer?
    var deadline: NIODeadline
    /// Fails with `HTTPExchangeFailure` only.
    var promise: EventLoopPromise<HTTPAnswer>
}

struct HTTPAnswer: Sendable {
    var head: HTTPResponseHead
    var body: ByteBuffer

    /// The largest body that is taken: a value of the largest size, or the ring of the most partitions, fits.
    static let maximumBody = 128 << 20
}

enum HTTPExchangeFailure: Error {
    /// The server has seen nothing of the request.
    case notSent(String)
    /// It may have seen all of it.
    case lost(String)
}
