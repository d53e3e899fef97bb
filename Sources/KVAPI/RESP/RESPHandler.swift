import KVCore
import KVWire
import NIOCore

/// Performs the decisions of a `RESPConnection` on its channel.
///
/// Replies that come in one turn of the event loop leave in one write at its end.
final class RESPHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let server: RESPServer
    private let client: RESPClient
    private let budget: ReplyBudget
    private var connection: RESPConnection
    private let shell: ConnectionShell

    /// Set while effects are performed. An effect that is completed at once must not start the next one from within, or
    /// a long pipeline would become a deep stack.
    private var isPerforming = false
    /// How many commands are begun at a time.
    private static let batch = 16
    /// The effects to be performed next: first the requests on keys, then another effect.
    private var requests: [Request] = []
    private var effect: RESPConnection.Effect?
    private var isFlushScheduled = false
    /// Whether `budgetFreed` will be called when other connections have given back some of what they hold.
    private var isAwaitingBudget = false
    /// Given to the backend with every command. It holds this handler until `stop`.
    private var caller: Caller?
    private var scheduledFlush: (@Sendable () -> Void)?
    private var onFreed: (@Sendable () -> Void)?
    /// The task under way.
    private var task: RESPTaskRunner?
    private let scanned = ScannedShare()

    init(server: RESPServer, channel: any Channel) {
        self.server = server
        shell = ConnectionShell(loop: channel.eventLoop)
        client = server.open(
            address: Self.text(channel.remoteAddress), localAddress: Self.text(channel.localAddress))
        budget = server.budgets.budget(of: channel.eventLoop)
        connection = RESPConnection(server: server, client: client, budget: budget)
    }

    private static func text(_ address: SocketAddress?) -> String {
        guard let address, let host = address.ipAddress, let port = address.port else { return "" }
        return Address(host: host, port: port).description
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        caller = Caller(on: loop) { bound.value.ended($0) }
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
        case ChannelEvent.outputClosed: connection.outputClosed(now: now)
        case is ChannelShouldQuiesceEvent:
            connection.drain()
            task?.cancel(RESPFailure(.stopping))
        default: break
        }
        perform()
        context.fireUserInboundEventTriggered(event)
    }

    /// The socket has failed, so nobody can be told.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) {
        shell.read(if: connection.wantsInput())
    }

    private func stop() {
        guard shell.isAttached else { return }
        connection.closed()
        // Nobody is left to be told.
        task?.cancel(RESPFailure(.stopping))
        task = nil
        server.closed(client)
        shell.detach()
        caller = nil
        scheduledFlush = nil
        onFreed = nil
    }

    private var loop: any EventLoop { shell.loop }

    private var now: Instant { shell.now }
}

// MARK: - Effects

extension RESPHandler {
    private func ended(_ request: Request) {
        connection.ended(request)
        perform()
    }

    private func perform() {
        guard !isPerforming, shell.isAttached else { return }
        isPerforming = true
        let now = now
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

    /// Takes the commands of a pipeline that may be begun, some at a time.
    private func gather(_ now: Instant) {
        guard let caller else { return }
        let source = RequestSource(caller: caller, slots: server.backend.foundingSlots)
        while requests.count < Self.batch, let next = connection.next(now: now, source) {
            switch consume next {
            case .execute(let request): requests.append(request)
            case let other: return effect = other
            }
        }
    }

    /// False where there was nothing to do.
    private func performGathered() -> Bool {
        let isIdle = requests.isEmpty && effect == nil
        if !requests.isEmpty { server.backend.execute(requests) }
        requests.removeAll(keepingCapacity: true)
        if let effect = effect.take() { perform(effect) }
        return !isIdle
    }

    private func perform(_ effect: RESPConnection.Effect) {
        switch effect {
        // Requests are gathered, and do not come here.
        case .execute: break
        case .perform(let task):
            let bound = NIOLoopBound(self, eventLoop: loop)
            let runner = RESPTaskRunner(
                server: server, budget: budget, loop: loop, isAboutOwnShare: connection.session.isAboutOwnShare,
                scanned: scanned
            ) { bound.value.finished($0) }
            self.task = runner
            runner.run(task)
        case .end(let end):
            if end == .closeOutput { flush() }
            shell.end(end, connection.takeOutput())
        }
    }

    private func finished(_ answer: RESPAnswer) {
        task = nil
        connection.finished(answer)
        perform()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled, let scheduledFlush else { return }
        isFlushScheduled = true
        loop.execute(scheduledFlush)
    }

    /// Sends the replies of this turn of the event loop.
    private func endTurn() {
        isFlushScheduled = false
        flush()
        // There is room for more replies now.
        perform()
    }

    private func flush() {
        guard connection.hasOutput, shell.isAttached else { return }
        let bytes = connection.takeOutput()
        let counts = connection.takeCounts()
        server.statistics.add(
            commands: counts.commands, bytesIn: counts.bytesIn, bytesOut: UInt64(bytes.readableBytes))
        client.touch(connection.session.command, at: server.wallClock())
        shell.write(bytes) { connection.sending($0) }
    }

    private func sent(_ bytes: Int) {
        connection.sent(bytes)
        perform()
    }

    private func timer() {
        if let effect = connection.timer(now: now, unsent: shell.unsent) { perform(effect) }
        perform()
    }
}
