import KVClient
import KVCore
import NIOCore

/// A connection of a worker. It gathers requests and sends them together; the answers come in the order of the
/// requests.
final class WireConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let worker: Worker
    let pool: ConnectionPool
    private let adapter: any ProtocolAdapter
    private var pending = CircularBuffer<PendingOperation>(initialCapacity: 16)
    /// The failure of the oldest request, if more of its answers are to come.
    private var failure: WireResult?
    private var output = ByteBuffer()
    private var context: ChannelHandlerContext?
    /// The reason why this side closed the connection.
    private var reason: String?

    /// Whether the connection is in the worker's list of connections to flush.
    var isDirty = false

    init(_ worker: Worker, _ pool: ConnectionPool, _ adapter: any ProtocolAdapter) {
        self.worker = worker
        self.pool = pool
        self.adapter = adapter
    }

    /// The number of operations that wait for answers.
    var inFlight: Int { pending.count }

    func send(_ operation: PendingOperation, _ request: WireRequest, now: UInt64) {
        var operation = operation
        operation.sent = now
        operation.missing = adapter.write(request, to: &output)
        pending.append(operation)
    }

    func flush() {
        isDirty = false
        guard let context, output.readableBytes > 0 else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        // This uses the same memory again, unless the socket has taken only a part.
        output.clear()
    }

    /// Closes the connection if a request was sent before `time` and has no answer.
    func expire(sentBefore time: UInt64) {
        guard let first = pending.first, first.sent < time else { return }
        close("no answer in time")
    }

    func close(_ reason: String) {
        self.reason = self.reason ?? reason
        context?.close(promise: nil)
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        worker.opened(self, in: pool)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        adapter.feed(&bytes)
        let now = Clock.now
        do {
            while let result = try adapter.next() {
                if case .unrelated = result { continue }
                guard !pending.isEmpty else { return close("an answer to nothing") }
                take(result, now)
            }
        } catch {
            close("\(error)")
        }
    }

    private func take(_ result: WireResult, _ now: UInt64) {
        let first = pending.startIndex
        if pending[first].missing > 1 {
            pending[first].missing -= 1
            if case .failed = result { failure = failure ?? result }
            return
        }
        // If both answers are failures, the first is the cause of the other.
        let whole = failure ?? result
        failure = nil
        worker.answered(pending.removeFirst(), whole, on: self, now: now)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if adapter.takeMisrouted() { worker.misrouted() }
        worker.flush()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        let reason = reason ?? "the connection was closed"
        let lost = pending
        pending.removeAll()
        worker.closed(self, in: pool, lost: lost, reason)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        reason = reason ?? failureReason(error)
        context.close(promise: nil)
    }
}

/// The connections of a worker to one node.
final class ConnectionPool {
    let address: Address
    /// The number of connections to keep open.
    let size: Int
    private(set) var connections: [WireConnection] = []
    private var turn = 0

    init(_ address: Address, size: Int) {
        self.address = address
        self.size = size
    }

    func add(_ connection: WireConnection) { connections.append(connection) }

    func remove(_ connection: WireConnection) { connections.removeAll { $0 === connection } }

    /// Returns a connection with fewer than `depth` operations under way, or else the least busy one; nil if there is
    /// none.
    func choose(depth: Int) -> WireConnection? {
        var best: WireConnection?
        for offset in 0..<connections.count {
            let index = (turn + offset) % connections.count
            let connection = connections[index]
            if connection.inFlight < depth {
                // The next request goes to the same connection until that is full, as requests on one connection leave
                // together.
                turn = index
                return connection
            }
            if connection.inFlight < best?.inFlight ?? .max { best = connection }
        }
        return best
    }
}
