import KVCore
import NIOCore
import NIOHTTP1

/// Performs the decisions of an `HTTPConnection` on its channel.
final class HTTPHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let backend: any Backend
    private let budget: ReplyBudget
    /// Bytes that the budget has been charged for this connection.
    private var charged = 0
    private var connection: HTTPConnection
    private var answers: AnswerWriter
    private let shell: ConnectionShell

    /// Set while effects are performed. An effect that is completed at once must not start the next one from within, or
    /// a long pipeline would become a deep stack.
    private var isPerforming = false
    /// Set between the first part of a read and its end. Answers gather meanwhile and leave together.
    private var isReading = false
    /// When the read began. It counts as the present time until the end of the read, so that a request does not cost
    /// several looks at a clock.
    private var readTime = Instant(nanoseconds: 0)
    private var waitingPage = WaitingPage()
    /// Given to the backend with every key operation. It holds this handler until `stop`.
    private var caller: Caller?

    init(
        backend: any Backend, options: HTTPOptions, budget: ReplyBudget, channel: any Channel,
        wallClock: @escaping @Sendable () -> UInt64
    ) {
        self.backend = backend
        self.budget = budget
        shell = ConnectionShell(loop: channel.eventLoop)
        connection = HTTPConnection(
            parser: RequestParser(settings: { backend.settings }, limits: backend.limits), options: options,
            now: shell.now)
        answers = AnswerWriter(allocator: channel.allocator, node: backend.nodeID, wallClock: wallClock)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        caller = Caller(on: loop) { bound.value.ended($0) }
        shell.attach(context, timer: { [self] in timer() }, sent: { [self] in uncharge($0) })
        shell.arm(connection.deadline)
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isReading {
            readTime = shell.now
            isReading = true
        }
        connection.received(unwrapInboundIn(data))
        perform()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        connection.readCompleted(now: now)
        isReading = false
        perform()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection.writability(context.channel.isWritable, now: now)
        perform()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed:
            isReading = false
            connection.inputClosed()
        case ChannelEvent.outputClosed: connection.outputClosed(now: now)
        case is ChannelShouldQuiesceEvent: connection.drain()
        default: break
        }
        perform()
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = HTTPFailure(decoding: error) {
            connection.failed(failure)
            perform()
        } else {
            // The socket has failed, so nobody can be told.
            context.close(promise: nil)
        }
    }

    func read(context: ChannelHandlerContext) {
        shell.read(if: connection.wantsInput)
    }

    private func stop() {
        connection.closed()
        shell.detach()
        caller = nil
        waitingPage.end()
        charge(-charged)
    }

    private func charge(_ bytes: Int) {
        charged += bytes
        budget.charge(bytes)
    }

    private var loop: any EventLoop { shell.loop }

    private var now: Instant { isReading ? readTime : shell.now }
}

// MARK: - Effects

extension HTTPHandler {
    private func perform() {
        guard !isPerforming else { return }
        isPerforming = true
        let now = now
        while let effect = connection.next(now: now) { perform(effect) }
        isPerforming = false
        if !isReading { flush() }
        shell.arm(connection.deadline)
        shell.readIfHeld(connection.wantsInput)
    }

    private func perform(_ effect: HTTPConnection.Effect) {
        switch effect {
        case .proceed:
            answers.proceed()
            flush()
        case .execute(let request): execute(request)
        case .refuse(let failure, let response): answers.failure(failure, response)
        case .end(let end):
            if end == .closeOutput { flush() }
            shell.end(end, answers.take())
        }
    }

    private func flush() {
        guard answers.pending.readableBytes > 0 else { return }
        shell.write(answers.take()) { charge($0) }
    }

    private func uncharge(_ bytes: Int) {
        // If the connection is gone, everything has been given back.
        if shell.isAttached { charge(-bytes) }
    }

    private func timer() {
        if let effect = connection.timer(now: now) { perform(effect) }
        perform()
    }
}

// MARK: - Requests

extension HTTPHandler {
    private func execute(_ request: HTTPRequest) {
        switch request {
        case .key(let request): execute(request)
        case .list(let query): list(query)
        case .ring: view { json, view in json.ring(view) }
        case .place(let key): view { json, view in json.place(of: key, in: view) }
        case .nodes: view { json, view in json.nodes(of: view) }
        case .topology: view { json, view in json.topology(view.topology) }
        case .load(let span): load(over: span)
        case .control(let request, let timeout): control(request, timeout)
        // The connection has made a control request of it.
        case .change: answer { answers, response in answers.failure(.unfitting, response) }
        case .ping: answer { answers, response in answers.text("pong", response) }
        case .live: answer { answers, response in answers.text("ok", response) }
        case .ready:
            let health = backend.health
            answer { answers, response in answers.readiness(health, response) }
        }
    }

    private func execute(_ request: KeyRequest) {
        guard let caller else { return }
        backend.execute(
            Request(
                request.command, key: request.key, slots: backend.foundingSlots, options: request.options,
                caller: caller))
    }

    /// The command on a key has ended. At most one thing is under way at a time, so its reply needs no number.
    private func ended(_ request: Request) {
        answer { answers, response in answers.answer(request, response) }
    }

    private func list(_ query: ListRequest) {
        guard query.values else { return list(query, reserving: 0) }
        // The values are sent in base64, which takes a third more, and several are asked for at a time.
        let bytes = min(2 * ListRequest.pageBytes, budget.limit)
        guard !budget.has(bytes) else { return list(query, reserving: bytes) }
        let bound = NIOLoopBound(self, eventLoop: loop)
        let timer = loop.scheduleTask(in: .nanoseconds(Int64(clamping: query.timeout.nanoseconds))) {
            bound.value.refusePage()
        }
        waitingPage.begin(query, bytes, timer)
        budget.whenFreed { bound.value.tryPage() }
    }

    /// Other connections have given back some of what they hold.
    private func tryPage() {
        guard let (query, bytes) = waitingPage.waiting else { return }
        guard budget.has(bytes) else {
            let bound = NIOLoopBound(self, eventLoop: loop)
            return budget.whenFreed { bound.value.tryPage() }
        }
        waitingPage.end()
        list(query, reserving: bytes)
    }

    private func refusePage() {
        guard waitingPage.waiting != nil else { return }
        waitingPage.end()
        answer { answers, response in answers.failure(.noRoomForAnswers, response) }
    }

    private func list(_ query: ListRequest, reserving bytes: Int) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let slots = backend.foundingSlots
        charge(bytes)
        backend.list(query, on: loop) { result in
            bound.value.uncharge(bytes)
            bound.value.answer { answers, response in
                switch result {
                case .success(let page): answers.json({ $0.page(page, slots) }, response)
                case .failure(let failure): answers.failure(HTTPFailure(failure.refusal), response)
                }
            }
        }
    }

    private func view(_ body: @escaping @Sendable (inout JSONWriter, ClusterView) -> Void) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        backend.view(on: loop) { view in
            bound.value.answer { answers, response in
                guard let view else { return answers.failure(.notMember, response) }
                answers.json({ body(&$0, view) }, response)
            }
        }
    }

    private func load(over span: Nanoseconds) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        backend.load(over: span, on: loop) { reply in
            bound.value.answer { [node = bound.value.backend.nodeID] answers, response in
                switch reply {
                case .load(let load): answers.json({ $0.load(load, node: node) }, response)
                case .tooMany: answers.failure(.tooManyMeasurements, response)
                case .refused(let refusal): answers.failure(HTTPFailure(refusal), response)
                }
            }
        }
    }

    private func control(_ request: ControlRequest, _ timeout: Nanoseconds) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        backend.control(request, timeout: timeout, on: loop) { reply in
            guard case .plan(let plan?) = reply, !plan.underWay.isEmpty else {
                return bound.value.answer { answers, response in answers.control(reply, nil, response) }
            }
            // Its moves name nodes by number.
            bound.value.backend.view(on: bound.value.loop) { view in
                bound.value.answer { answers, response in answers.control(reply, view?.topology, response) }
            }
        }
    }

    /// Ends the request under way with the answer that `body` writes, and goes on with the next.
    private func answer(_ body: (inout AnswerWriter, PendingResponse) -> Void) {
        guard let response = connection.answered(now: now) else { return }
        body(&answers, response)
        // A client that does not take these answers gets no more of them: the rest of the read waits.
        if answers.pending.readableBytes > ReplyRoom.small { flush() }
        perform()
    }
}

/// A page with values that waits for room in the budget.
private struct WaitingPage {
    private(set) var waiting: (query: ListRequest, bytes: Int)?
    private var timer: Scheduled<Void>?

    mutating func begin(_ query: ListRequest, _ bytes: Int, _ timer: Scheduled<Void>) {
        waiting = (query, bytes)
        self.timer = timer
    }

    mutating func end() {
        waiting = nil
        timer?.cancel()
        timer = nil
    }
}
