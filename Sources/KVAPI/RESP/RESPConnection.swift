import KVCore
import KVWire
import NIOCore

/// Decides for one connection that speaks the Redis protocol: what to read, what to ask of the backend, what to reply,
/// and when to close.
///
/// A pipeline is begun as it is read. Its commands are executed side by side as far as `OperationTable` lets them, and
/// the replies are written in the order of the requests. `received` and its like take inputs; afterwards `next` must be
/// called until it returns nil. Replies gather until `takeOutput`. It cannot be copied because its parser cannot.
struct RESPConnection: ~Copyable {
    enum Effect {
        /// Carry it out, then call `ended`.
        case execute(Request)
        /// Do it, then call `finished`.
        case perform(RESPTask)
        case end(ConnectionEnd)
    }

    /// The request that keeps later ones from being taken.
    private enum Pending {
        case none
        /// The parser has found it. It waits until all requests before it have been answered.
        case request
        /// A command on several keys; it has not been begun on all of them.
        case gathering(RESPGathering)
        /// A task is under way, and nothing else begins.
        case task
    }

    private(set) var session: RESPSession
    private let options: RESPOptions
    private let table: RESPCommandTable
    private let linearizable: RequestOptions
    private let stale: RequestOptions
    private var life: ConnectionLifecycle
    private var parser: RESPRequestParser
    private var input = ByteBuffer()
    private var replies: RESPReplies
    private var operations = OperationTable()
    private var pending = Pending.none
    /// Counted since `takeCounts` was last called.
    private var counted = (commands: 0 as UInt64, bytesIn: 0 as UInt64)

    private var patience: ConnectionPatience

    init(
        server: RESPServer, client: RESPClient, budget: ReplyBudget, table: RESPCommandTable = .standard
    ) {
        session = RESPSession(server: server, client: client)
        options = server.options
        life = ConnectionLifecycle(server.options.times)
        self.table = table
        var requests = RequestOptions(timeout: options.timeout)
        requests.redirects = server.info.redirects
        linearizable = requests
        requests.consistency = .stale
        stale = requests
        let limits = server.limits
        let room = ReplyRoom(
            budget: budget, limit: server.options.maximumPendingBytes, largestValue: server.limits.value)
        replies = RESPReplies(room: room)
        patience = ConnectionPatience(gathering: server.options.timeout, stall: server.options.stallTimeout)
        parser = RESPRequestParser(
            limits: RESPRequestParser.Limits(
                argument: max(limits.key, limits.value, RESPRequestParser.maximumLine),
                request: server.options.maximumRequestBytes))
    }

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    var deadline: Instant? { life.deadline ?? patience.deadline }

    /// Whether more should be read. Nothing is read while a request that has come cannot be begun. The exception is a
    /// client that does not read its replies: it may be one that reads only after it has sent more, so its requests are
    /// read ahead, up to a limit.
    mutating func wantsInput() -> Bool {
        guard life.isOpen, !life.isDraining else { return life.discardsInput }
        if life.isWritable { return hasRoom() && isReadyForRequest }
        return input.readableBytes < options.maximumUnreadBytes
            && replies.room.mayWait(input.readableBytes, written: replies.written)
    }

    /// Whether no request keeps a later one from being taken.
    private var isReadyForRequest: Bool { if case .none = pending { true } else { false } }

    /// Whether there is something to be sent.
    var hasOutput: Bool { replies.written > 0 }

    /// Whether the next part of the command on several keys may be begun although there is no room. This holds for the
    /// oldest command: only its own end makes room, and a separate limit bounds the answers that it has gathered. The
    /// usual limits apply to its parts under way.
    private mutating func isGatheringOldest() -> Bool {
        guard case .gathering = pending, replies.count == 1, life.isWritable, replies.areAsExpected else {
            return false
        }
        let isWithinLimits =
            operations.count == 0
            || operations.count < options.maximumInFlight && operations.bytes < options.maximumBytesInFlight
        return isWithinLimits && replies.room.mayBegin(written: replies.written, isOldest: true)
    }

    /// Whether another command may be begun.
    private mutating func hasRoom() -> Bool {
        guard life.isWritable, replies.areAsExpected, replies.count < options.maximumInFlight,
            operations.count < options.maximumInFlight, operations.bytes < options.maximumBytesInFlight
        else { return false }
        return replies.room.mayBegin(written: replies.written)
    }
}

// MARK: - Inputs

extension RESPConnection {
    mutating func received(_ bytes: ByteBuffer) {
        guard life.isOpen else { return }
        counted.bytesIn &+= UInt64(bytes.readableBytes)
        if input.readableBytes == 0 {
            input = bytes
        } else {
            var bytes = bytes
            // The input that was read ahead may be long, so it is not moved for every piece that comes.
            if input.readerIndex > input.readableBytes { input.discardReadBytes() }
            input.writeBuffer(&bytes)
        }
    }

    /// Takes the outcome of a request; the token names the operation.
    mutating func ended(_ request: Request) {
        guard !life.isClosed, let outcome = request.outcome else { return }
        let token = Int(truncatingIfNeeded: request.token)
        let size = request.needs > 0 ? request.needs : outcome.valueSize
        if size > ReplyRoom.small, let operation = operations.underWay(token),
            replies.putAside(operation, token: token, size, isMissing: request.needs > 0)
        {
            return operations.putAside(token, counted: size)
        }
        let sums = operations.sums(of: token, outcome)
        guard sums?.isEmpty != true, var operation = operations.end(token) else { return }
        ended(operation, request, outcome, sum: sums?.first)
        var number = 1
        while let next = operations.endNext(after: operation) {
            ended(next, request, outcome, sum: sums?[number])
            operation = next
            number += 1
        }
    }

    /// - Parameter sum: the result of an addition that was executed together with others.
    private mutating func ended(
        _ operation: OperationTable.Operation, _ request: Request, _ outcome: Outcome, sum: Int64?
    ) {
        let answer = sum.map(RESPAnswer.integer) ?? answer(request, outcome, to: operation)
        if let gathering = replies.received(answer, to: operation) { gatheringEnded(gathering) }
    }

    /// No more parts of this command on several keys are begun.
    private mutating func gatheringEnded(_ gathering: RESPGathering) {
        if case .gathering(let current) = pending, current === gathering { pending = .none }
    }

    private func answer(
        _ request: Request, _ outcome: Outcome, to operation: OperationTable.Operation
    ) -> RESPAnswer {
        if let address = request.redirect { return .failure(.moved(request.key.slot, address)) }
        return operation.expectation.answer(outcome, session.server)
    }

    /// Takes the answer of the task under way, which has ended.
    mutating func finished(_ answer: RESPAnswer) {
        guard case .task = pending else { return }
        pending = .none
        replies.completeOldest(answer)
    }

    /// The client will send nothing more.
    mutating func inputClosed() { life.inputClosed() }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) { life.outputClosed(now: now) }

    /// The node is stopping: complete requests are answered, then the connection closes.
    mutating func drain() { life.drain() }

    mutating func writability(_ isWritable: Bool) { life.isWritable = isWritable }

    mutating func closed() {
        life.closed()
        patience.end()
        forget()
        // Requests hold their caller, and the caller holds the connection.
        operations = OperationTable()
        replies.room.close()
    }

    /// Drops everything that was asked for and not yet answered.
    private mutating func forget() {
        input = ByteBuffer()
        replies.forget()
        pending = .none
    }

    /// The channel has taken these bytes and has not sent them yet.
    mutating func sending(_ bytes: Int) { replies.room.sending += bytes }

    /// The channel has sent these bytes.
    mutating func sent(_ bytes: Int) {
        guard !life.isClosed else { return }
        replies.room.sending -= bytes
    }

    /// The deadline has passed, perhaps.
    /// - Parameter unsent: bytes that the channel holds.
    mutating func timer(now: Instant, unsent: Int) -> Effect? {
        if let end = life.timer(now: now) {
            closed()
            return .end(end)
        }
        switch patience.timer(now: now, unsent: unsent) {
        case .nothing: break
        case .abandonGathering:
            guard let (abandoned, tokens) = replies.abandonOldest() else { break }
            for token in tokens { _ = operations.end(token) }
            gatheringEnded(abandoned)
        case .endConnection:
            forget()
            replies.append(.failure(.unreadReplies(for: options.stallTimeout)))
            life.end()
        }
        return nil
    }

    /// Charges the budget for what is held, and notes what the connection waits for. To be called after `next` has
    /// returned nil.
    ///
    /// - Returns: whether to go on when other connections have given back some of what they hold.
    mutating func settle(now: Instant) -> Bool {
        if input.readableBytes == 0, input.capacity > ReplyRoom.guaranteed { input = ByteBuffer() }
        let isServing = life.isOpen && !life.isDraining
        let isStuck = isServing && !life.isWritable && input.readableBytes > 0 && !wantsInput()
        let isShort = replies.room.takeShortOfBudget()
        // No other request is under way whose end would make room.
        let isThrottled = isShort && life.isWritable && replies.room.reads == 0 && replies.isGatheringOldest
        patience.look(now: now, isThrottled: isThrottled, isStuck: isStuck)
        replies.room.settle(written: replies.written, waiting: input.readableBytes)
        return isShort && !life.isClosed
    }

    /// Takes the bytes that are to be sent.
    mutating func takeOutput() -> ByteBuffer { replies.writer.take() }

    /// Takes the counts since the last call, for the node's statistics.
    mutating func takeCounts() -> (commands: UInt64, bytesIn: UInt64) {
        defer { counted = (0, 0) }
        return counted
    }
}

// MARK: - Decisions

extension RESPConnection {
    /// Returns what to do next, or nil when that depends on inputs to come.
    ///
    /// - Parameter source: the source of the requests that are begun.
    mutating func next(now: Instant, _ source: RequestSource) -> Effect? {
        while true {
            if let request = operations.takeReleased() { return .execute(request) }
            if life.isWritable, let read = replies.takeAside() {
                replies.room.beganAgain(read.bytes)
                guard let request = operations.underWay(read.token)?.request else {
                    assertionFailure("a read that was put aside stays under way")
                    continue
                }
                return .execute(request)
            }
            guard life.isOpen else { return life.isEnding && replies.isEmpty ? end(now: now) : nil }
            if case .task = pending { return nil }
            guard hasRoom() || isGatheringOldest() else { return nil }
            if case .gathering(let gathering) = pending {
                if let effect = beginPart(of: gathering, source) { return effect }
                continue
            }
            if isReadyForRequest, !takeRequest() { return nil }
            guard life.isOpen, case .request = pending else { continue }
            guard let decision = decide() else { return nil }
            pending = .none
            if let effect = perform(decision, source) { return effect }
        }
    }

    private mutating func end(now: Instant) -> Effect {
        input = ByteBuffer()
        patience.end()
        return .end(life.closeOutput(now: now))
    }

    /// Looks for the next request. Returns false if more input is needed first.
    private mutating func takeRequest() -> Bool {
        switch parser.next(&input) {
        case .request: pending = .request
        case .incomplete:
            guard life.isInputClosed || life.isDraining else { return false }
            life.end()
        case .oversized(let excess):
            replies.append(.failure(RESPFailure(excess, limits: session.limits, request: options.maximumRequestBytes)))
        case .failed(let error):
            replies.append(.failure(RESPFailure("ERR Protocol error: \(error.message)")))
            life.end()
        }
        return true
    }

    /// Decides about the request that the parser has found. Returns nil if it has to wait.
    private mutating func decide() -> RESPDecision? {
        let decision = RESPDecision.of(parser, input, table, &session, isFirst: replies.isEmpty)
        if decision != nil { counted.commands &+= 1 }
        if replies.writer.version != session.version { replies.writer.version = session.version }
        return decision
    }

    private mutating func perform(_ decision: RESPDecision, _ source: RequestSource) -> Effect? {
        switch decision {
        case .answer(let answer):
            replies.append(answer)
            return nil
        case .key(let key, let command, let expectation):
            replies.appendWaiting()
            return begin(key, command, expectation, part: 0, source)
        case .keys(let gathering):
            if session.server.info.redirects, !gathering.isOfOneSlot {
                replies.append(.failure(.crossSlot))
                return nil
            }
            pending = .gathering(gathering)
            replies.append(gathering)
            return nil
        case .task(let task):
            replies.appendWaiting()
            pending = .task
            return .perform(task)
        case .close(let answer):
            if let answer { replies.append(answer) }
            life.end()
            return nil
        }
    }

    /// Begins the next part of a command on several keys.
    private mutating func beginPart(of gathering: RESPGathering, _ source: RequestSource) -> Effect? {
        guard let part = gathering.takeNext() else {
            pending = .none
            return nil
        }
        let (key, command) = gathering.parts[part]
        return begin(key, command, gathering.expectation, part: part, source)
    }

    /// Begins one command on one key, for the request that was taken last: no request is taken before all parts of the
    /// one before it have been begun.
    private mutating func begin(
        _ key: Key, _ command: Command, _ expectation: RESPExpectation, part: Int, _ source: RequestSource
    ) -> Effect? {
        let isRead = command.isRead
        let counted = replies.room.began(command)
        let request = Request(
            command, key: key, slots: source.slots,
            options: session.isReadOnly && isRead ? stale : linearizable, caller: source.caller,
            token: UInt64(operations.nextToken),
            allowance: isRead && expectation.bringsValue ? ReplyRoom.allowance(counted: counted) : .max)
        let operation = OperationTable.Operation(
            request, sequence: replies.lastSequence, part: part, expectation: expectation, counted: counted)
        return operations.begin(operation) ? .execute(request) : nil
    }
}
