import KVCore
import KVWire
import NIOCore

/// The decisions of one connection that speaks the Redis protocol: what to read, what to ask of the backend, what to
/// reply, when to close.
///
/// A pipeline is begun as it is read, and its commands go on side by side as far as `OperationTable` lets them; replies
/// are written in the order of the requests. Inputs are taken by `received` and the like; `next` is then to be called
/// until it gives nil. What is to be sent gathers in `output`. Not copyable, as its parser is not.
struct RespConnection: ~Copyable {
    enum Effect {
        /// Carry it out, then call `replied` with the token.
        case execute(token: Int, Key, Command, isStale: Bool)
        /// Do it, then call `finished`.
        case perform(RespTask)
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

    /// The reply to a request, in the order of requests.
    private enum Slot {
        case waiting
        case gathering(RespGathering)
        case ready(RespAnswer)
    }

    private(set) var session: RespSession
    private let options: RespOptions
    private let table: RespCommandTable
    private var state = State.serving
    private var parser: RespRequestParser
    private var input = ByteBuffer()
    private var writer = RespReplyWriter()
    private var slots = CircularBuffer<Slot>(initialCapacity: 8)
    /// The number of the first slot.
    private var firstSequence: UInt64 = 0
    private var operations = OperationTable()
    /// A command on several keys that has not been begun on all of them.
    private var gathering: RespGathering?
    /// A request is told by the parser and waits until what came before it has been answered.
    private var isRequestHeld = false
    /// A task is under way: nothing else begins.
    private var isTaskUnderWay = false
    /// Bytes of replies that wait for earlier ones.
    private var readyBytes = 0
    /// About what the reply to a read takes, from the largest lately.
    private var expectedBytes = 0
    private var readsUnderWay = 0
    /// A read has been answered, and so tells how large replies are.
    private var knowsReplies = false
    private var isInputClosed = false
    private var isDraining = false
    private var isWritable = true
    /// Since they were last taken.
    private var counted = (commands: 0 as UInt64, bytesIn: 0 as UInt64)

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    private(set) var deadline: Instant?

    init(server: RespServer, client: RespClient, table: RespCommandTable = .standard) {
        session = RespSession(server: server, client: client)
        options = server.options
        self.table = table
        let limits = server.limits
        parser = RespRequestParser(
            limits: RespRequestParser.Limits(
                argument: max(limits.key, limits.value, RespRequestParser.maximumLine),
                request: server.options.maximumRequestBytes))
    }

    /// Whether more should be read: not while what has come cannot be begun.
    var wantsInput: Bool {
        switch state {
        case .serving: hasRoom && !isRequestHeld && !isTaskUnderWay && gathering == nil && !isDraining
        case .ending, .closed: false
        case .lingering: true
        }
    }

    /// Whether there is something to be sent.
    var hasOutput: Bool { writer.pending.readableBytes > 0 }

    /// Whether the next part of the command on several keys may be begun although there is no room: it is the oldest,
    /// so nothing but its end makes room, and what it has gathered is bounded by itself. Its parts under way are
    /// bounded as ever.
    private var isGatheringOldest: Bool {
        guard gathering != nil, slots.count == 1, isWritable,
            writer.pending.readableBytes < options.maximumPendingBytes
        else { return false }
        return operations.count == 0
            || operations.count < options.maximumInFlight && bytesToCome < options.maximumPendingBytes
                && operations.bytes < options.maximumBytesInFlight
    }

    /// What the reads under way may bring: values of the largest size until the first has come.
    private var bytesToCome: Int { readsUnderWay * (knowsReplies ? expectedBytes : max(session.limits.value, 1)) }

    /// Whether another command may be begun.
    private var hasRoom: Bool {
        guard operations.count > 0 || !slots.isEmpty else {
            return isWritable && writer.pending.readableBytes < options.maximumPendingBytes
        }
        let pending = writer.pending.readableBytes + readyBytes + bytesToCome
        return isWritable && slots.count < options.maximumInFlight && operations.count < options.maximumInFlight
            && operations.bytes < options.maximumBytesInFlight && pending < options.maximumPendingBytes
    }
}

// MARK: - Inputs

extension RespConnection {
    /// Bytes that wait to be taken apart.
    var unreadBytes: Int { input.readableBytes }
    /// Commands on keys that are under way.
    var commandsUnderWay: Int { operations.count }

    mutating func received(_ bytes: ByteBuffer) {
        guard state == .serving else { return }
        counted.bytesIn &+= UInt64(bytes.readableBytes)
        if input.readableBytes == 0 {
            input = bytes
        } else {
            var bytes = bytes
            input.discardReadBytes()
            input.writeBuffer(&bytes)
        }
    }

    /// The command of a token has ended so.
    mutating func replied(_ token: Int, _ reply: Reply) {
        guard state != .closed else { return }
        let sums = operations.sums(of: token, reply.outcome)
        guard sums?.isEmpty != true, var operation = operations.end(token) else { return }
        ended(operation, reply, sum: sums?.first)
        var number = 1
        while let next = operations.endNext(after: operation) {
            ended(next, reply, sum: sums?[number])
            operation = next
            number += 1
        }
    }

    /// - Parameter sum: what an addition has come to that went with others.
    private mutating func ended(_ operation: OperationTable.Operation, _ reply: Reply, sum: Int64?) {
        let answer = sum.map(RespAnswer.integer) ?? answer(reply, to: operation)
        let bytes = answer.bytes
        if !operation.isWrite {
            readsUnderWay -= 1
            knowsReplies = true
            expectedBytes = max(bytes, expectedBytes - expectedBytes / 16)
        }
        let index = Int(operation.sequence - firstSequence)
        guard slots.count > index else { return }
        if case .gathering(let gathering) = slots[slots.index(slots.startIndex, offsetBy: index)] {
            readyBytes -= gathering.bytes
            let isDone = gathering.received(answer, of: operation.part)
            guard isDone else { return readyBytes += gathering.bytes }
            if self.gathering === gathering { self.gathering = nil }
            complete(index, gathering.answer)
        } else {
            complete(index, answer)
        }
    }

    private func answer(_ reply: Reply, to operation: OperationTable.Operation) -> RespAnswer {
        if let redirect = reply.redirect { return .failure(.moved(redirect)) }
        return operation.expectation.answer(reply.outcome, session.server)
    }

    /// The task under way has ended so.
    mutating func finished(_ answer: RespAnswer) {
        guard isTaskUnderWay else { return }
        isTaskUnderWay = false
        complete(0, answer)
    }

    /// The client will send nothing more.
    mutating func inputClosed() { isInputClosed = true }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) {
        guard state == .lingering else { return }
        deadline = now + (isDraining ? options.drainingLingerTimeout : options.lingerTimeout)
    }

    /// The node is stopping: what has come whole is answered, then the connection closes.
    mutating func drain() { isDraining = true }

    mutating func writability(_ isWritable: Bool) { self.isWritable = isWritable }

    mutating func closed() {
        state = .closed
        deadline = nil
        input = ByteBuffer()
        slots.removeAll()
        gathering = nil
        isTaskUnderWay = false
    }

    /// The deadline has passed, perhaps.
    mutating func timer(now: Instant) -> Effect? {
        guard let deadline, deadline <= now, state == .lingering else { return nil }
        closed()
        return .abort
    }

    /// All that is to be sent; and what has been done, to be counted.
    mutating func takeOutput() -> ByteBuffer { writer.take() }

    mutating func takeCounts() -> (commands: UInt64, bytesIn: UInt64) {
        defer { counted = (0, 0) }
        return counted
    }
}

// MARK: - Decisions

extension RespConnection {
    /// What to do next; nil when that depends on inputs to come.
    mutating func next(now: Instant) -> Effect? {
        while true {
            if let held = operations.takeReleased() {
                return .execute(token: held.token, held.key, held.command, isStale: held.isStale)
            }
            switch state {
            case .serving: break
            case .ending:
                guard slots.isEmpty else { return nil }
                return end(now: now)
            case .lingering, .closed: return nil
            }
            guard !isTaskUnderWay, hasRoom || isGatheringOldest else { return nil }
            if gathering != nil {
                if let effect = beginPart() { return effect }
                continue
            }
            if !isRequestHeld, !takeRequest() { return nil }
            guard state == .serving, isRequestHeld else { continue }
            let decision = decide()
            guard let decision else { return nil }
            isRequestHeld = false
            if let effect = carryOut(decision) { return effect }
        }
    }

    private mutating func end(now: Instant) -> Effect {
        state = .lingering
        input = ByteBuffer()
        deadline = now + options.writeTimeout
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
            append(.failure(RespFailure(excess, limits: session.limits, request: options.maximumRequestBytes)))
        case .failed(let error):
            append(.failure(RespFailure("ERR Protocol error: \(error.message)")))
            state = .ending
        }
        return true
    }

    /// What is to be done about the request that is held; nil where it has to wait.
    private mutating func decide() -> RespDecision? {
        let decision = Self.decide(parser, input, table, &session, isFirst: slots.isEmpty)
        if decision != nil { counted.commands &+= 1 }
        if writer.version != session.version { writer.version = session.version }
        return decision
    }

    /// Static, so that it borrows the parser while it changes the session, and copies neither.
    private static func decide(
        _ parser: borrowing RespRequestParser, _ input: ByteBuffer, _ table: RespCommandTable,
        _ session: inout RespSession, isFirst: Bool
    ) -> RespDecision? {
        parser.withArguments(input) { arguments in
            do throws(RespFailure) {
                guard let found = table.find(arguments[0]) else {
                    return isForeign(arguments) ? .close(nil) : .answer(.failure(.unknownCommand(arguments)))
                }
                let command = try found.resolved(arguments)
                guard isFirst || !command.flags.contains(.alone) else { return nil }
                if session.isTransactionRefused, !RefusedCommands.endsTransaction(command) {
                    return .answer(.failure(.afterRefusedTransaction(command.name)))
                }
                if session.command !== command { session.command = command }
                return try command.run(arguments, &session)
            } catch {
                return .answer(.failure(error))
            }
        }
    }

    /// What a browser would send that was tricked into speaking to a Redis.
    private static func isForeign(_ arguments: RespArguments) -> Bool {
        arguments.matches(0, "POST") || arguments.matches(0, "HOST:")
    }

    private mutating func carryOut(_ decision: RespDecision) -> Effect? {
        switch decision {
        case .answer(let answer):
            append(answer)
            return nil
        case .key(let key, let command, let expectation):
            let sequence = firstSequence &+ UInt64(slots.count)
            slots.append(.waiting)
            return begin(key, command, expectation, sequence, part: 0)
        case .keys(let gathering):
            if session.server.facts.redirects, !gathering.isOfOneSlot {
                append(.failure(.crossSlot))
                return nil
            }
            self.gathering = gathering
            slots.append(.gathering(gathering))
            return nil
        case .task(let task):
            slots.append(.waiting)
            isTaskUnderWay = true
            return .perform(task)
        case .close(let answer):
            if let answer { append(answer) }
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
        // It is the last: nothing is read before all its parts have been begun.
        let sequence = firstSequence &+ UInt64(slots.count - 1)
        return begin(key, command, gathering.expectation, sequence, part: part)
    }

    private mutating func begin(
        _ key: Key, _ command: Command, _ expectation: RespExpectation, _ sequence: UInt64, part: Int
    ) -> Effect? {
        let isRead = command.isRead
        let isStale = session.isReadOnly && isRead
        let operation = OperationTable.Operation(
            sequence: sequence, part: part, expectation: expectation, isWrite: !isRead, isStale: isStale,
            bytes: key.bytes.count + command.valueBytes)
        if isRead { readsUnderWay += 1 }
        let (token, hasToWait) = operations.begin(operation, key: key, command)
        return hasToWait ? nil : .execute(token: token, key, command, isStale: isStale)
    }

    // MARK: Replies

    private mutating func append(_ answer: RespAnswer) {
        guard !slots.isEmpty else {
            firstSequence &+= 1
            return writer.write(answer)
        }
        readyBytes += answer.bytes
        slots.append(.ready(answer))
    }

    /// The reply of a slot is there: it is written, and all that waited for it alone.
    private mutating func complete(_ index: Int, _ answer: RespAnswer) {
        guard index == 0 else {
            readyBytes += answer.bytes
            slots[slots.index(slots.startIndex, offsetBy: index)] = .ready(answer)
            return
        }
        guard slots.popFirst() != nil else { return }
        firstSequence &+= 1
        writer.write(answer)
        while case .ready(let next)? = slots.first {
            _ = slots.popFirst()
            firstSequence &+= 1
            readyBytes -= next.bytes
            writer.write(next)
        }
    }
}
