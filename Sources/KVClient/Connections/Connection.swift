import NIOCore

/// A connection to a node: HTTP/1.1 with pipelining, so requests are answered in the order in which they were sent.
final class Connection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case open
        /// Takes no further requests, and closes when no request waits for an answer any more.
        case draining
        case closed
    }

    private let connections: Connections
    private let host: String
    private var context: ChannelHandlerContext?
    private var state = State.open
    /// Requests that were sent and not answered, the oldest first. Those that have ended keep their place.
    private var unanswered = CircularBuffer<PendingRequest>()
    private var outgoing = ByteBuffer()
    private var parser = AnswerParser()
    /// Fires at the earliest deadline of the unanswered requests, or before.
    private let timer = DeadlineTimer()
    /// The time of the last answer, or else of opening.
    private(set) var lastUsed = NIODeadline.now()

    /// A larger buffer is freed after use, so that one large value does not hold memory for as long as the connection
    /// lives.
    private static let keptCapacity = 64 * 1024

    init(_ connections: Connections) {
        self.connections = connections
        host = "\(connections.address)"
    }

    /// The number of requests that have not been answered.
    var load: Int { unanswered.count }

    var isUsable: Bool { if case .open = state { context?.channel.isActive == true } else { false } }

    // MARK: Calls

    /// Writes a request into the buffer that `flush` sends.
    /// - Returns: false if the request ended before it was sent.
    func send(_ pending: PendingRequest) -> Bool {
        guard let call = pending.request.call else {
            pending.end(.notSent("it has a version of kv that cannot do this; run a newer one there"))
            return false
        }
        guard pending.beginSending() else { return false }
        let remaining = pending.deadline - .now()
        outgoing.write(call, host: host, remaining: remaining)
        unanswered.append(pending)
        arm(pending.deadline)
        return true
    }

    func flush() {
        guard outgoing.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        if outgoing.capacity > Self.keptCapacity { outgoing = ByteBuffer() } else { outgoing.clear() }
    }

    /// Takes no further requests from now on, and closes when no request waits for an answer any more.
    func drain() {
        guard case .open = state else { return }
        state = .draining
        guard connections.retire(self) else { return close("too many connections wait for late answers") }
        closeIfDrained()
    }

    private func closeIfDrained() {
        if case .draining = state, unanswered.allSatisfy(\.isOver) { close("the connection was closed") }
    }

    func close(_ reason: String) {
        fail(reason)
        context?.close(promise: nil)
    }

    /// - Parameter isTaken: whether the node may have executed the unanswered requests.
    private func fail(_ reason: String, isTaken: Bool = true) {
        if case .closed = state { return }
        state = .closed
        timer.cancel()
        while let pending = unanswered.popFirst() { pending.end(isTaken ? .lost(reason) : .notSent(reason)) }
        connections.closed(self)
    }

    // MARK: Deadlines

    private func arm(_ deadline: NIODeadline) {
        guard let context else { return }
        timer.arm(deadline, on: context.eventLoop) { [self] in expire() }
    }

    /// Ends the requests whose answers are late. No more requests are sent behind one of these; those that were may
    /// still be answered.
    private func expire() {
        let now = NIODeadline.now()
        var next: NIODeadline?
        var isLate = false
        for pending in unanswered {
            if pending.deadline <= now {
                pending.end(.lost("no answer in time"))
                isLate = true
            } else {
                next = min(pending.deadline, next ?? .distantFuture)
            }
        }
        if let next { arm(next) }
        if isLate { drain() }
        closeIfDrained()
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            parser.append(unwrapInboundIn(data))
            while let answer = try parser.next() { take(answer) }
        } catch {
            close(failureReason(error))
        }
    }

    private func take(_ message: AnswerMessage) {
        guard let pending = unanswered.popFirst() else { return close("it answered what it was not asked") }
        pending.end(.answer(Answer(endpoint: connections.address, message, to: pending.request)))
        if message.isLast {
            // Requests that were sent behind this one are not executed: RFC 9112, 9.6.
            fail("the node closed the connection", isTaken: false)
            context?.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        lastUsed = .now()
        if case .open = state { connections.advanced() } else { closeIfDrained() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { close(failureReason(error)) }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
        self.context = nil
    }
}
