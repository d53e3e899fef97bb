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
        /// Carry it out, then call `replied` with the token.
        case execute(token: Int, Key, KeyHash, Command, isStale: Bool, allowance: Int)
        /// Do it, then call `finished`.
        case perform(RESPTask)
        /// Close the sending half once everything is sent, and go on reading.
        case closeOutput
        /// Close once everything is sent.
        case finish
        /// Close now.
        case abort
    }

    private enum State {
        case serving
        /// No request is begun any more; the replies under way are waited for.
        case ending
        /// The output closes; input is discarded until the client closes too.
        case lingering
        case closed
    }

    private(set) var session: RESPSession
    private let options: RESPOptions
    private let table: RESPCommandTable
    private var state = State.serving
    private var parser: RESPRequestParser
    private var input = ByteBuffer()
    private var replies: RESPReplies
    private var operations = OperationTable()
    /// A command on several keys that has not been begun on all of them.
    private var gathering: RESPGathering?
    /// A request is told by the parser and waits until what came before it has been answered.
    private var isRequestHeld = false
    /// A task is under way: nothing else begins.
    private var isTaskUnderWay = false
    private var isInputClosed = false
    private var isDraining = false
    private var isWritable = true
    /// Since they were last taken.
    private var counted = (commands: 0 as UInt64, bytesIn: 0 as UInt64)

    /// When the end of the connection is not waited for any more.
    private var endDeadline: Instant?
    private var patience: RESPPatience

    init(
        server: RESPServer, client: RESPClient, budget: ReplyBudget, table: RESPCommandTable = .standard
    ) {
        session = RESPSession(server: server, client: client)
        options = server.options
        self.table = table
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
    var deadline: Instant? { endDeadline ?? patience.deadline }

    /// Whether more should be read: not while what has come cannot be begun. A client that does not read replies may be
    /// sending more requests before it does, and is read ahead of.
    mutating func wantsInput() -> Bool {
        switch state {
        case .serving where isDraining: false
        case .serving where isWritable: hasRoom() && !isRequestHeld && !isTaskUnderWay && gathering == nil
        case .serving:
            input.readableBytes < options.maximumUnreadBytes
                && replies.room.mayWait(input.readableBytes, written: replies.written)
        case .ending, .closed: false
        case .lingering: true
        }
    }

    /// Whether there is something to be sent.
    var hasOutput: Bool { replies.written > 0 }

    /// Whether the next part of the command on several keys may be begun although there is no room: it is the oldest,
    /// so nothing but its end makes room, and what it has gathered is bounded by itself. Its parts under way are
    /// bounded as ever.
    private mutating func isGatheringOldest() -> Bool {
        guard gathering != nil, replies.count == 1, isWritable, replies.areAsExpected else { return false }
        let isWithinLimits =
            operations.count == 0
            || operations.count < options.maximumInFlight && operations.bytes < options.maximumBytesInFlight
        return isWithinLimits && replies.room.mayBegin(written: replies.written, isOldest: true)
    }

    /// Whether another command may be begun.
    private mutating func hasRoom() -> Bool {
        guard isWritable, replies.areAsExpected, replies.count < options.maximumInFlight,
            operations.count < options.maximumInFlight, operations.bytes < options.maximumBytesInFlight
        else { return false }
        return replies.room.mayBegin(written: replies.written)
    }
}

// MARK: - Inputs

extension RESPConnection {
    mutating func received(_ bytes: ByteBuffer) {
        guard state == .serving else { return }
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
        guard state != .closed, let outcome = request.outcome else { return }
        let token = Int(truncatingIfNeeded: request.token)
        let size = request.needs > 0 ? request.needs : outcome.valueSize
        if size > RESPRoom.small, let operation = operations.underWay(token),
            replies.putAside(operation, token: token, size, isMissing: request.needs > 0)
        {
            return
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
        let ended = replies.received(answer, to: operation)
        if let ended, ended === gathering { gathering = nil }
    }

    private func answer(
        _ request: Request, _ outcome: Outcome, to operation: OperationTable.Operation
    ) -> RESPAnswer {
        if let address = request.redirect { return .failure(.moved(request.key.slot, address)) }
        return operation.expectation.answer(outcome, session.server)
    }

    /// The task under way has ended so.
    mutating func finished(_ answer: RESPAnswer) {
        guard isTaskUnderWay else { return }
        isTaskUnderWay = false
        replies.completeOldest(answer)
    }

    /// The client will send nothing more.
    mutating func inputClosed() { isInputClosed = true }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) {
        guard state == .lingering else { return }
        endDeadline = now + (isDraining ? options.drainingLingerTimeout : options.lingerTimeout)
    }

    /// The node is stopping: what has come whole is answered, then the connection closes.
    mutating func drain() { isDraining = true }

    mutating func writability(_ isWritable: Bool) { self.isWritable = isWritable }

    mutating func closed() {
        state = .closed
        endDeadline = nil
        patience.end()
        forget()
        replies.room.close()
    }

    /// Nothing that was asked for is waited for any more.
    private mutating func forget() {
        input = ByteBuffer()
        replies.forget()
        gathering = nil
        isTaskUnderWay = false
    }

    /// The channel has taken so many bytes, and has not sent them.
    mutating func sending(_ bytes: Int) { replies.room.sending += bytes }

    /// It has sent them.
    mutating func sent(_ bytes: Int) {
        guard state != .closed else { return }
        replies.room.sending -= bytes
    }

    /// The deadline has passed, perhaps.
    /// - Parameter unsent: bytes that the channel holds.
    mutating func timer(now: Instant, unsent: Int) -> Effect? {
        if let endDeadline, endDeadline <= now, state == .lingering {
            closed()
            return .abort
        }
        switch patience.timer(now: now, unsent: unsent) {
        case .nothing: break
        case .abandonGathering:
            guard let (abandoned, tokens) = replies.abandonOldest() else { break }
            for token in tokens { _ = operations.end(token) }
            if abandoned === gathering { gathering = nil }
        case .endConnection:
            forget()
            replies.append(.failure(.unreadReplies(for: options.stallTimeout)))
            state = .ending
        }
        return nil
    }

    /// All that can be done now is done: charges what is held, and sees what is waited for.
    ///
    /// - Returns: whether to go on when others have given back of what they hold.
    mutating func settle(now: Instant) -> Bool {
        if input.readableBytes == 0, input.capacity > RESPRoom.guaranteed { input = ByteBuffer() }
        let isServing = state == .serving && !isDraining
        let isStuck = isServing && !isWritable && input.readableBytes > 0 && !wantsInput()
        let isShort = replies.room.takeShortOfBudget()
        // Nothing else is under way that would give back what it holds.
        let isThrottled = isShort && isWritable && replies.room.reads == 0 && replies.isGatheringOldest
        patience.look(now: now, isThrottled: isThrottled, isStuck: isStuck)
        replies.room.settle(written: replies.written, waiting: input.readableBytes)
        return isShort && state != .closed
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
    mutating func next(now: Instant) -> Effect? {
        while true {
            if let held = operations.takeReleased() {
                return execute(held.token, held.key, held.command, isStale: held.isStale)
            }
            if isWritable, let read = replies.takeAside() {
                operations.count(read.token, as: replies.room.beganAgain(read.bytes))
                return execute(read.token, read.key, .get, isStale: read.isStale)
            }
            switch state {
            case .serving: break
            case .ending:
                guard replies.isEmpty else { return nil }
                return end(now: now)
            case .lingering, .closed: return nil
            }
            guard !isTaskUnderWay, hasRoom() || isGatheringOldest() else { return nil }
            if gathering != nil {
                if let effect = beginPart() { return effect }
                continue
            }
            if !isRequestHeld, !takeRequest() { return nil }
            guard state == .serving, isRequestHeld else { continue }
            let decision = decide()
            guard let decision else { return nil }
            isRequestHeld = false
            if let effect = perform(decision) { return effect }
        }
    }

    private mutating func end(now: Instant) -> Effect {
        state = .lingering
        input = ByteBuffer()
        patience.end()
        endDeadline = now + options.writeTimeout
        return isInputClosed ? .finish : .closeOutput
    }

    /// Looks for the next request; false where more has to come first.
    private mutating func takeRequest() -> Bool {
        switch parser.next(&input) {
        case .request: isRequestHeld = true
        case .incomplete:
            guard isInputClosed || isDraining else { return false }
            state = .ending
        case .oversized(let excess):
            replies.append(.failure(RESPFailure(excess, limits: session.limits, request: options.maximumRequestBytes)))
        case .failed(let error):
            replies.append(.failure(RESPFailure("ERR Protocol error: \(error.message)")))
            state = .ending
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

    private mutating func perform(_ decision: RESPDecision) -> Effect? {
        switch decision {
        case .answer(let answer):
            replies.append(answer)
            return nil
        case .key(let key, let command, let expectation):
            replies.appendWaiting()
            return begin(key, command, expectation, part: 0)
        case .keys(let gathering):
            if session.server.facts.redirects, !gathering.isOfOneSlot {
                replies.append(.failure(.crossSlot))
                return nil
            }
            self.gathering = gathering
            replies.append(gathering)
            return nil
        case .task(let task):
            replies.appendWaiting()
            isTaskUnderWay = true
            return .perform(task)
        case .close(let answer):
            if let answer { replies.append(answer) }
            state = .ending
            return nil
        }
    }

    /// Begins the next part of the command on several keys that was read last.
    private mutating func beginPart() -> Effect? {
        guard let gathering else { return nil }
        guard let part = gathering.takeNext() else {
            self.gathering = nil
            return nil
        }
        let (key, command) = gathering.parts[part]
        return begin(key, command, gathering.expectation, part: part)
    }

    /// Of the request that was taken last: nothing is taken before all parts of one on several keys have been begun.
    private mutating func begin(
        _ key: Key, _ command: Command, _ expectation: RESPExpectation, part: Int
    ) -> Effect? {
        let isRead = command.isRead
        let isStale = session.isReadOnly && isRead
        let operation = OperationTable.Operation(
            command, key, sequence: replies.lastSequence, part: part, expectation: expectation, isStale: isStale,
            counted: replies.room.began(command))
        let (token, hasToWait) = operations.begin(operation, key: key, command)
        return hasToWait ? nil : execute(token, key, command, isStale: isStale)
    }

    private func execute(_ token: Int, _ key: Key, _ command: Command, isStale: Bool) -> Effect {
        .execute(
            token: token, key, operations.hash(of: token), command, isStale: isStale,
            allowance: operations.allowance(of: token))
    }
}
