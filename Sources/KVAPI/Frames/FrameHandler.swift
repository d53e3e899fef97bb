import KVCore
import NIOCore

/// Performs the decisions of a `FrameConnection` on its channel.
///
/// Answers that come in one turn of the event loop leave in one write at its end.
final class FrameHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let backend: any Backend
    private let budget: ReplyBudget
    private var connection: FrameConnection
    private let shell: ConnectionShell

    /// Set while effects are performed. An effect that is completed at once must not start the next one from within, or
    /// a long pipeline would become a deep stack.
    private var isPerforming = false
    /// How many requests are begun at a time.
    private static let batch = 64
    /// The effects to be performed next: first the requests on keys, then another effect.
    private var requests: [Request] = []
    private var effect: FrameConnection.Effect?
    private var isFlushScheduled = false
    /// Whether `budgetFreed` will be called when other connections have given back some of what they hold.
    private var isAwaitingBudget = false
    /// Given to the backend with every request. It holds this handler until `stop`.
    private var caller: Caller?
    private var scheduledFlush: (@Sendable () -> Void)?
    private var onFreed: (@Sendable () -> Void)?

    init(_ listener: FrameListener, channel: any Channel) {
        backend = listener.backend
        shell = ConnectionShell(loop: channel.eventLoop)
        budget = listener.budgets.budget(of: channel.eventLoop)
        connection = FrameConnection(listener, budget: budget)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: shell.loop)
        caller = Caller(on: shell.loop) { bound.value.ended($0) }
        scheduledFlush = { bound.value.endTurn() }
        onFreed = { bound.value.budgetFreed() }
        shell.attach(context, timer: { [self] in timer() }, sent: { [self] in sent($0) })
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(unwrapInboundIn(data))
        perform()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection.writability(context.channel.isWritable)
        perform()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: connection.inputClosed()
        case ChannelEvent.outputClosed: connection.outputClosed(now: shell.now)
        case is ChannelShouldQuiesceEvent: connection.drain()
        default: break
        }
        perform()
        context.fireUserInboundEventTriggered(event)
    }

    /// The socket has failed, so nobody can be told.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) { shell.read(if: connection.wantsInput()) }

    private func stop() {
        guard shell.isAttached else { return }
        connection.closed()
        shell.detach()
        caller = nil
        scheduledFlush = nil
        onFreed = nil
    }
}

// MARK: - Effects

extension FrameHandler {
    private func ended(_ request: Request) {
        connection.ended(request)
        perform()
    }

    private func perform() {
        guard !isPerforming, shell.isAttached else { return }
        isPerforming = true
        let now = shell.now
        repeat { gather(now) } while performGathered()
        isPerforming = false
        if connection.hasOutput { scheduleFlush() }
        shell.readIfHeld(connection.wantsInput())
        if connection.settle(now: now), !isAwaitingBudget, let onFreed {
            isAwaitingBudget = true
            budget.whenFreed(onFreed)
        }
        shell.arm(connection.deadline)
    }

    private func budgetFreed() {
        isAwaitingBudget = false
        perform()
    }

    /// Takes the requests that may be begun, some at a time.
    private func gather(_ now: Instant) {
        guard let caller else { return }
        let source = RequestSource(caller: caller, slots: backend.foundingSlots)
        while requests.count < Self.batch, let next = connection.next(now: now, source) {
            switch next {
            case .execute(let request): requests.append(request)
            case let other: return effect = other
            }
        }
    }

    /// False where there was nothing to do.
    private func performGathered() -> Bool {
        let isIdle = requests.isEmpty && effect == nil
        if !requests.isEmpty { backend.execute(requests) }
        requests.removeAll(keepingCapacity: true)
        if let effect = effect.take() { perform(effect) }
        return !isIdle
    }

    private func perform(_ effect: FrameConnection.Effect) {
        switch effect {
        // Requests are gathered, and do not come here.
        case .execute: break
        case .list(let page, let token):
            let bound = NIOLoopBound(self, eventLoop: shell.loop)
            backend.list(page, on: shell.loop) { bound.value.listed($0, token) }
        case .end(let end):
            if end == .closeOutput { flush() }
            shell.end(end, connection.takeOutput())
        }
    }

    private func listed(_ result: Result<ListReply, ListFailure>, _ token: Int) {
        connection.listed(result, token: token)
        perform()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled, let scheduledFlush else { return }
        isFlushScheduled = true
        shell.loop.execute(scheduledFlush)
    }

    /// Sends the answers of this turn of the event loop.
    private func endTurn() {
        isFlushScheduled = false
        flush()
        // There is room for more answers now.
        perform()
    }

    private func flush() {
        guard connection.hasOutput, shell.isAttached else { return }
        shell.write(connection.takeOutput()) { connection.sending($0) }
    }

    private func sent(_ bytes: Int) {
        connection.sent(bytes)
        perform()
    }

    private func timer() {
        if let effect = connection.timer(now: shell.now, unsent: shell.unsent) { perform(effect) }
        perform()
    }
}
