import KVModel
import KVProtocol
import NIOCore

/// A connection to a node by the client protocol. Requests are answered by their numbers, in any order.
final class FrameConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Waits for the node's preface.
        case connecting
        /// Waits for the node's hello.
        case prefaced
        case open
        /// Takes no further requests, and closes when no request waits for an answer any more.
        case retired
        case closed
    }

    private struct Sent {
        let pending: PendingRequest
        let at: NIODeadline
    }

    private let link: FrameLink
    /// Whether the link waits for this one. A name with several addresses makes several, of which one is chosen.
    private var isChosen = false
    /// Why it ended before it was open; nil if it has not.
    private var failure: (any Error)?
    private var context: ChannelHandlerContext?
    private var state = State.connecting
    private var hello = NodeHello(node: "", inFlight: 1, key: 0, value: 0)
    /// The requests that were sent and not answered, by their numbers. Those that have ended keep their number.
    private var sent: [Sent?] = []
    private var free: [UInt32] = []
    private var underWay = 0
    /// Of these, the requests that nobody waits for any more, at the last look.
    private var over = 0
    private var outgoing = ByteBuffer()
    private var reader = FrameReader(limit: maximumAnswer)
    /// Fires at the earliest deadline of the unanswered requests, or before.
    private let timer = DeadlineTimer()
    /// The time of the last answer, or else of opening.
    private(set) var lastUsed = NIODeadline.now()
    /// Whether there has been an answer in this read.
    private var hasAnswer = false

    /// The largest answer that is read. Bytes. A value of the largest size and a page are smaller.
    static let maximumAnswer = 128 << 20
    /// A larger buffer is freed after use, so that one large value does not hold memory for as long as the connection
    /// lives.
    private static let keptCapacity = 64 * 1024

    init(_ link: FrameLink) { self.link = link }

    /// The link waits for this one: it is told when the node has said its hello, or that it will not.
    /// - Parameter limit: how long to wait.
    func choose(within limit: TimeAmount) {
        isChosen = true
        switch state {
        case .closed: link.failedToOpen(failure ?? ConnectionLost(reason: "the connection was closed"))
        case .open: link.opened(self)
        case .retired:
            link.failedToOpen(ConnectionLost(reason: "it is stopping"))
            close("it is stopping")
        case .connecting, .prefaced:
            guard let context else { return }
            timer.arm(.now() + limit, on: context.eventLoop) { [self] in
                fail("no connection in time", ChannelError.connectTimeout(limit))
                context.close(promise: nil)
            }
        }
    }

    /// The number of requests that somebody waits for.
    var load: Int { underWay - over }

    /// Whether it takes another request. Those that nobody waits for keep as many numbers at most.
    var hasRoom: Bool {
        guard case .open = state else { return false }
        return load < limit && underWay < 2 * limit
    }

    private var limit: Int { min(hello.inFlight, link.depth) }

    // MARK: Calls

    /// Writes a request into the buffer that `flush` sends, unless it has ended.
    func send(_ pending: PendingRequest, now: NIODeadline, _ lane: FrameLane?) {
        guard case .operation(let key, let operation) = pending.request.kind else { return }
        // The node would end the connection at a frame that is too long, and all that is under way with it.
        if let problem = problem(key, operation) {
            let answer = AnswerFrame.Content.failed(.badRequest, "nothing was changed: \(problem)")
            pending.end(.answer(Answer(endpoint: link.address, node: hello.node, answer)))
            return
        }
        guard pending.beginSending(by: lane) else { return }
        let number = free.popLast() ?? UInt32(clamping: sent.count)
        if Int(number) == sent.count { sent.append(nil) }
        sent[Int(number)] = Sent(pending: pending, at: now)
        underWay += 1
        let left = (pending.deadline - now).nanoseconds
        RequestFrame(
            number: number, timeout: Request.milliseconds(remaining: left), key: key, operation: operation
        ).write(to: &outgoing)
        arm(pending.deadline)
    }

    /// What is too long for the node; nil if nothing is.
    private func problem(_ key: Key, _ operation: ClientOperation) -> String? {
        if case .list(let page) = operation {
            // A cursor is the base64 of a key and two bytes.
            let longest = (hello.key + 2) * 4 / 3 + 4
            return page.cursor.count <= longest
                ? nil : "the cursor is not one that a node gave; begin again without one"
        }
        if key.bytes.count > hello.key { return LimitText.keyTooLong(key.bytes.count, limit: hello.key) }
        guard case .put(let put) = operation, put.value.count > hello.value else { return nil }
        return LimitText.valueTooLong(put.value.count, limit: hello.value)
    }

    func flush() {
        guard outgoing.readableBytes > 0, let context else { return }
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        if outgoing.capacity > Self.keptCapacity { outgoing = ByteBuffer() } else { outgoing.clear() }
    }

    /// Takes no further requests from now on, and closes when no request waits for an answer any more.
    func retire() {
        guard case .open = state else { return }
        state = .retired
        flush()
        link.retired(self)
        closeIfDone()
    }

    private func closeIfDone() {
        if case .retired = state, sent.allSatisfy({ $0?.pending.isOver ?? true }) { close("the connection was closed") }
    }

    func close(_ reason: String) {
        fail(reason)
        context?.close(promise: nil)
    }

    private func fail(_ reason: String, _ error: (any Error)? = nil) {
        let wasOpening: Bool
        switch state {
        case .closed: return
        case .connecting, .prefaced: wasOpening = true
        case .open, .retired: wasOpening = false
        }
        state = .closed
        timer.cancel()
        if wasOpening {
            let error = error ?? ConnectionLost(reason: reason)
            failure = error
            if isChosen { link.failedToOpen(error) }
            return
        }
        let unanswered = sent
        (sent, free, underWay, over) = ([], [], 0, 0)
        for entry in unanswered { entry?.pending.end(.lost(reason)) }
        link.closed(self)
    }

    // MARK: Deadlines

    private func arm(_ deadline: NIODeadline) {
        guard let context else { return }
        timer.arm(deadline, on: context.eventLoop) { [self] in expire() }
    }

    /// Ends the requests whose answers are late. If the node has answered nothing since one of them was sent, no more
    /// are sent on this connection: the node or the way to it hangs.
    private func expire() {
        let now = NIODeadline.now()
        var next: NIODeadline?
        var isSilent = false
        // Those that nobody waits for any more say as much about the node as the others.
        for case let entry? in sent {
            if entry.pending.deadline <= now {
                entry.pending.end(.lost("no answer in time"))
                isSilent = isSilent || lastUsed < entry.at
            } else {
                next = min(entry.pending.deadline, next ?? .distantFuture)
            }
        }
        if let next { arm(next) }
        recount()
        if isSilent { retire() }
        closeIfDone()
        link.advanced()
    }

    /// Counts the requests that nobody waits for any more.
    func recount() {
        over = 0
        for case let entry? in sent where entry.pending.isOver { over += 1 }
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        var preface = context.channel.allocator.buffer(capacity: Preface.clientLength)
        Preface.writeClient(to: &preface)
        context.writeAndFlush(wrapOutboundOut(preface), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(unwrapInboundIn(data))
        do throws(FrameError) {
            if case .connecting = state, try !takePreface() { return }
            while let frame = try reader.next() { try take(frame) }
        } catch {
            fail("\(error)", error)
            context.close(promise: nil)
        }
    }

    private func takePreface() throws(FrameError) -> Bool {
        guard let version = try reader.preface(Preface.readNode) else { return false }
        guard version != 0 else {
            close("it speaks no version of the client protocol that this program speaks; run the same version of kv")
            return false
        }
        state = .prefaced
        return true
    }

    private func take(_ frame: ByteBuffer) throws(FrameError) {
        if case .prefaced = state {
            hello = try NodeHello(reading: frame)
            state = .open
            timer.cancel()
            lastUsed = .now()
            if isChosen { link.opened(self) }
            return
        }
        let answer = try AnswerFrame(reading: frame)
        if case .goingAway = answer.content { return retire() }
        let number = Int(answer.number)
        guard sent.indices.contains(number), let entry = sent[number] else {
            if case .closed = state { return }
            throw .invalid("number")
        }
        hasAnswer = true
        sent[number] = nil
        free.append(answer.number)
        underWay -= 1
        let content = Answer(endpoint: link.address, node: answer.executor ?? hello.node, answer.content)
        // One that had ended was counted as such.
        if !entry.pending.end(.answer(content)), over > 0 { over -= 1 }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if hasAnswer { lastUsed = .now() }
        hasAnswer = false
        reader.shrink(to: Self.keptCapacity)
        closeIfDone()
        link.advanced()
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(failureReason(error), error)
        context.close(promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
        self.context = nil
    }
}

/// A connection that was lost before the node's hello.
struct ConnectionLost: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}
