import KVClient
import KVCore
import NIOCore

/// One connection of a worker. Requests are gathered and sent together; answers come in their order.
final class WireConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let worker: Worker
    let pool: ConnectionPool
    private let adapter: any ProtocolAdapter
    private var pending = CircularBuffer<PendingOperation>(initialCapacity: 16)
    /// What became of the first of them, where that is bad and more answers are to come.
    private var failure: WireResult?
    private var output = ByteBuffer()
    private var context: ChannelHandlerContext?
    /// Why it was closed, where it was closed by this side.
    private var reason: String?

    /// The worker knows that there is something to flush.
    var isDirty = false

    init(_ worker: Worker, _ pool: ConnectionPool, _ adapter: any ProtocolAdapter) {
        self.worker = worker
        self.pool = pool
        self.adapter = adapter
    }

    /// Operations that wait for answers.
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
        // The same memory again, unless the socket took only a part.
        output.clear()
    }

    /// Closes it if something was sent before `time` and has no answer.
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
        // The first failure says more than what follows from it.
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

/// A worker's connections to one node.
final class ConnectionPool {
    let address: Address
    /// How many there are to be.
    let size: Int
    private(set) var connections: [WireConnection] = []
    private var turn = 0

    init(_ address: Address, size: Int) {
        self.address = address
        self.size = size
    }

    func add(_ connection: WireConnection) { connections.append(connection) }

    func remove(_ connection: WireConnection) { connections.removeAll { $0 === connection } }

    /// One with fewer than `depth` operations under way, or of all the least busy. Nil where there is none.
    func choose(depth: Int) -> WireConnection? {
        var best: WireConnection?
        for offset in 0..<connections.count {
            let index = (turn + offset) % connections.count
            let connection = connections[index]
            if connection.inFlight < depth {
                // Until it is full: requests that go to one connection leave together.
                turn = index
                return connection
            }
            if connection.inFlight < best?.inFlight ?? .max { best = connection }
        }
        return best
    }
}
