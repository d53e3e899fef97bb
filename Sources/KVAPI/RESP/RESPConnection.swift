import KVCore
import KVWire
import NIOCore

/// The decisions of one connection that speaks the Redis protocol: what to read, what to ask of the backend, what to
/// reply, when to close.
///
/// A pipeline is begun as it is read, and its commands go on side by side as far as `OperationTable` lets them; replies
/// are written in the order of the requests. Inputs are taken by `received` and the like; `next` is then to be called
/// until it gives nil. What is to be sent gathers in `output`. Not copyable, as its parser is not.
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
        /// Told by the parser; it waits until what came before it has been answered.
        case request
        /// A command on several keys that has not been begun on all of them.
        case gathering(RESPGathering)
        /// Under way, and nothing else begins.
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
    /// Since they were last taken.
    private var counted = (commands: 0 as UInt64, bytesIn: 0 as UInt64)

    private var patience: RESPPatience

    init(
        server: RESPServer, client: RESPClient, budget: ReplyBudget, table: RESPCommandTable = .standard
    ) {
        session = RESPSession(server: server, client: client)
        options = server.options
        life = ConnectionLifecycle(server.options.times)
        self.table = table
        var requests = RequestOptions(timeout: options.timeout)
        requests.redirects = server.facts.redirects
        linearizable = requests
        requests.consistency = .stale
        stale = requests
        let limits = server.limits
        let room = RESPRoom(
            budget: budget, limit: server.options.maximumPendingBytes, largestValue: server.limits.value)
        replies = RESPReplies(room: room)
        patience = RESPPatience(gathering: server.options.timeout, stall: server.options.stallTimeout)
        parser = RESPRequestParser(
            limits: RESPRequestParser.Limits(
                argument: max(limits.key, limits.value, RESPRequestParser.maximumLine),
                request: server.options.maximumRequestBytes))
    }

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    var deadline: Instant? { life.deadline ?? patience.deadline }

    /// Whether more should be read: not while what has come cannot be begun. A client that does not read replies may be
    /// sending more requests before it does, and is read ahead of.
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

    /// Whether the next part of the command on several keys may be begun although there is no room: it is the oldest,
    /// so nothing but its end makes room, and what it has gathered is bounded by itself. Its parts under way are
    /// bounded as ever.
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
            // What has been read ahead may be long: it is not moved for every piece that comes.
            if input.readerIndex > input.readableBytes { input.discardReadBytes() }
            input.writeBuffer(&bytes)
        }
    }

    /// A request has ended; its token is the command's.
    mutating func ended(_ request: Request) {
        guard !life.isClosed, let outcome = request.outcome else { return }
        let token = Int(truncatingIfNeeded: request.token)
        let size = request.needs > 0 ? request.needs : outcome.valueSize
        if size > RESPRoom.small, let operation = operations.underWay(token),
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

    /// - Parameter sum: what an addition has come to that went with others.
    private mutating func ended(
        _ operation: OperationTable.Operation, _ request: Request, _ outcome: Outcome, sum: Int64?
    ) {
        let answer = sum.map(RESPAnswer.integer) ?? answer(request, outcome, to: operation)
        if let gathering = replies.received(answer, to: operation) { gatheringEnded(gathering) }
    }

    /// A command on several keys needs nothing more to be begun.
    private mutating func gatheringEnded(_ gathering: RESPGathering) {
        if case .gathering(let current) = pending, current === gathering { pending = .none }
    }

    private func answer(
        _ request: Request, _ outcome: Outcome, to operation: OperationTable.Operation
    ) -> RESPAnswer {
        if let address = request.redirect { return .failure(.moved(request.key.slot, address)) }
        return operation.expectation.answer(outcome, session.server)
    }

    /// The task under way has ended so.
    mutating func finished(_ answer: RESPAnswer) {
        guard case .task = pending else { return }
        pending = .none
        replies.completeOldest(answer)
    }

    /// The client will send nothing more.
    mutating func inputClosed() { life.inputClosed() }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) { life.outputClosed(now: now) }

    /// The node is stopping: what has come whole is answered, then the connection closes.
    mutating func drain() { life.drain() }

    mutating func writability(_ isWritable: Bool) { life.isWritable = isWritable }

    mutating func closed() {
        life.closed()
        patience.end()
        forget()
        // Requests hold their caller, who holds the connection.
        operations = OperationTable()
        replies.room.close()
    }

    /// Nothing that was asked for is waited for any more.
    private mutating func forget() {
        input = ByteBuffer()
        replies.forget()
        pending = .none
    }

    /// The channel has taken so many bytes, and has not sent them.
    mutating func sending(_ bytes: Int) { replies.room.sending += bytes }

    /// It has sent them.
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

    /// All that can be done now is done: charges what is held, and sees what is waited for.
    ///
    /// - Returns: whether to go on when others have given back of what they hold.
    mutating func settle(now: Instant) -> Bool {
        if input.readableBytes == 0, input.capacity > RESPRoom.guaranteed { input = ByteBuffer() }
        let isServing = life.isOpen && !life.isDraining
        let isStuck = isServing && !life.isWritable && input.readableBytes > 0 && !wantsInput()
        let isShort = replies.room.takeShortOfBudget()
        // Nothing else is under way that would give back what it holds.
        let isThrottled = isShort && life.isWritable && replies.room.reads == 0 && replies.isGatheringOldest
        patience.look(now: now, isThrottled: isThrottled, isStuck: isStuck)
        replies.room.settle(written: replies.written, waiting: input.readableBytes)
        return isShort && !life.isClosed
    }

    /// All that is to be sent; and what has been done, to be counted.
    mutating func takeOutput() -> ByteBuffer { replies.writer.take() }

    mutating func takeCounts() -> (commands: UInt64, bytesIn: UInt64) {
        defer { counted = (0, 0) }
        return counted
    }
}

// MARK: - Decisions

extension RESPConnection {
    /// What to do next; nil when that depends on inputs to come.
    ///
    /// - Parameter source: of the requests that are begun.
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

    /// Looks for the next request; false where more has to come first.
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

    /// What is to be done about the request that is held; nil where it has to wait.
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
            if session.server.facts.redirects, !gathering.isOfOneSlot {
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

    /// Begins the next part of the command on several keys that was read last.
    private mutating func beginPart(of gathering: RESPGathering, _ source: RequestSource) -> Effect? {
        guard let part = gathering.takeNext() else {
            pending = .none
            return nil
        }
        let (key, command) = gathering.parts[part]
        return begin(key, command, gathering.expectation, part: part, source)
    }

    /// Of the request that was taken last: nothing is taken before all parts of one on several keys have been begun.
    private mutating func begin(
        _ key: Key, _ command: Command, _ expectation: RESPExpectation, part: Int, _ source: RequestSource
    ) -> Effect? {
        let isRead = command.isRead
        let counted = replies.room.began(command)
        let request = Request(
            command, key: key, partitions: source.partitions,
            options: session.isReadOnly && isRead ? stale : linearizable, caller: source.caller,
            token: UInt64(operations.nextToken),
            allowance: isRead && expectation.bringsValue ? RESPRoom.allowance(counted: counted) : .max)
        let operation = OperationTable.Operation(
            request, sequence: replies.lastSequence, part: part, expectation: expectation, counted: counted)
        return operations.begin(operation) ? .execute(request) : nil
    }
}
