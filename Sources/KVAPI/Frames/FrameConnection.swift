import KVCore
import KVProtocol
import NIOCore

/// Decides for one connection that speaks the client protocol: what to read, what to ask of the backend, what to
/// answer, and when to close.
///
/// Requests are executed side by side, and each is answered when it ends: the numbers say which answer is whose.
/// `received` and its like take inputs; afterwards `next` must be called until it returns nil. Answers gather until
/// `takeOutput`.
struct FrameConnection {
    enum Effect {
        /// Carry it out, then call `ended`.
        case execute(Request)
        /// Do it, then call `listed` with the token.
        case list(ListRequest, token: Int)
        case end(ConnectionEnd)
    }

    private let listener: FrameListener
    private let requests: FrameRequests
    private let answers: FrameAnswers
    private var life: ConnectionLifecycle
    private var patience: ConnectionPatience
    private var reader: FrameReader
    private var room: ReplyRoom
    private var underWay = FramesUnderWay()
    private var pages: FramePages
    private var output = ByteBuffer()
    /// The version that is spoken; nil until the client's preface has come.
    private var version: UInt8?
    /// When the connection is closed although the client has not; nil unless the node is stopping and all is answered.
    private var farewell: Instant?

    /// A buffer larger than this is given back after use, so that idle connections do not keep the memory of one large
    /// value.
    private static let keptCapacity = 16 * 1024

    init(_ listener: FrameListener, budget: ReplyBudget) {
        self.listener = listener
        let limits = listener.backend.limits
        let options = listener.options
        requests = FrameRequests(limits: limits)
        answers = FrameAnswers(node: listener.backend.nodeID, wallClock: listener.wallClock)
        life = ConnectionLifecycle(options.times)
        patience = ConnectionPatience(gathering: options.stallTimeout, stall: options.stallTimeout)
        reader = FrameReader(limit: RequestFrame.largest(key: limits.key, value: limits.value))
        room = ReplyRoom(budget: budget, limit: options.maximumPendingBytes, largestValue: limits.value)
        pages = FramePages(budget: budget)
    }

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    var deadline: Instant? {
        [life.deadline, patience.deadline, pages.deadline, life.isOpen ? farewell : nil].compactMap(\.self)
            .min()
    }

    /// Whether more should be read.
    mutating func wantsInput() -> Bool {
        guard life.isOpen else { return life.discardsInput }
        return life.isWritable && hasRoom()
    }

    var hasOutput: Bool { output.readableBytes > 0 }

    /// Whether another request may be begun.
    private mutating func hasRoom() -> Bool {
        let options = listener.options
        guard life.isWritable, underWay.areAsExpected, underWay.count + pages.count < options.maximumInFlight,
            underWay.bytes < options.maximumBytesInFlight
        else { return false }
        return room.mayBegin(written: output.readableBytes)
    }
}

// MARK: - Inputs

extension FrameConnection {
    mutating func received(_ bytes: ByteBuffer) {
        if life.isOpen { reader.append(bytes) }
    }

    /// Takes the outcome of a request; the token names it.
    mutating func ended(_ request: Request) {
        let token = Int(truncatingIfNeeded: request.token)
        guard !life.isClosed, let outcome = request.outcome, let entry = underWay.end(token) else { return }
        let size = request.needs > 0 ? request.needs : outcome.valueSize
        if size > ReplyRoom.small, isPutAside(entry, request, size) { return }
        room.ended(isRead: entry.isRead, counted: entry.counted, bytes: size)
        answers.answer(request, number: entry.number).write(to: &output)
    }

    /// Drops a value that is larger than expected, if there is no room for it.
    private mutating func isPutAside(_ entry: FramesUnderWay.Entry, _ request: Request, _ size: Int) -> Bool {
        guard entry.isRead, entry.counted < size else { return false }
        let isAlone = room.reads == 1 && output.readableBytes + room.sending <= ReplyRoom.guaranteed
        let isKept =
            isAlone
            || room.mayKeep(size, written: output.readableBytes, isOldest: false, counted: entry.counted)
        if isKept, request.needs == 0 { return false }
        room.ended(isRead: true, counted: entry.counted, bytes: size)
        underWay.putAside(FramesUnderWay.Aside(number: entry.number, request: request, bytes: size))
        return true
    }

    /// Takes a page that was asked for.
    mutating func listed(_ result: Result<ListReply, ListFailure>, token: Int) {
        guard let page = pages.end(token) else { return }
        let content = answers.page(result, hasValues: page.values, slots: listener.backend.foundingSlots)
        AnswerFrame(number: page.number, content).write(to: &output)
    }

    /// The client will send nothing more.
    mutating func inputClosed() { life.inputClosed() }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) { life.outputClosed(now: now) }

    /// The node is stopping: what has come is answered and nothing more is executed.
    mutating func drain() {
        guard life.isOpen, !life.isDraining else { return life.drain() }
        life.drain()
        guard version != nil else { return life.end() }
        AnswerFrame(number: 0, .goingAway(FailureText.of(.stopping))).write(to: &output)
    }

    mutating func writability(_ isWritable: Bool) { life.isWritable = isWritable }

    mutating func closed() {
        life.closed()
        patience.end()
        reader.clear()
        output = ByteBuffer()
        underWay = FramesUnderWay()
        pages.close()
        room.close()
    }

    /// The channel has taken these bytes and has not sent them yet.
    mutating func sending(_ bytes: Int) { room.sending += bytes }

    /// The channel has sent these bytes.
    mutating func sent(_ bytes: Int) {
        if !life.isClosed { room.sending -= bytes }
    }

    /// The deadline has passed, perhaps.
    /// - Parameter unsent: bytes that the channel holds.
    mutating func timer(now: Instant, unsent: Int) -> Effect? {
        if let end = life.timer(now: now) {
            closed()
            return .end(end)
        }
        // Nobody is there to be told.
        if patience.timer(now: now, unsent: unsent) == .endConnection {
            closed()
            return .end(.abort)
        }
        while let number = pages.takeLate(now: now) {
            AnswerFrame(number: number, FrameAnswers.noRoom).write(to: &output)
        }
        return nil
    }

    /// Charges the budget for what is held, and notes what the connection waits for. To be called after `next` has
    /// returned nil.
    ///
    /// - Returns: whether to go on when other connections have given back some of what they hold.
    mutating func settle(now: Instant) -> Bool {
        guard !life.isClosed else { return false }
        reader.shrink(to: ReplyRoom.guaranteed)
        if !life.isDraining || underWay.count + pages.count > 0 {
            farewell = nil
        } else if farewell == nil {
            farewell = now + listener.options.farewell
        }
        patience.look(now: now, isThrottled: false, isStuck: life.isOpen && !life.isWritable)
        room.settle(written: output.readableBytes, waiting: reader.readableBytes)
        return room.takeShortOfBudget() || pages.isShortOfBudget
    }

    /// Takes the bytes that are to be sent.
    mutating func takeOutput() -> ByteBuffer {
        let taken = output
        if output.capacity > Self.keptCapacity { output = ByteBuffer() } else { output.clear() }
        return taken
    }
}

// MARK: - Decisions

extension FrameConnection {
    /// Returns what to do next, or nil when that depends on inputs to come.
    ///
    /// - Parameter source: the source of the requests that are begun.
    mutating func next(now: Instant, _ source: RequestSource) -> Effect? {
        while true {
            if let request = nextAside() { return .execute(request) }
            if let (page, token) = pages.next(now: now) { return .list(page, token: token) }
            if life.isOpen, let farewell, farewell <= now, underWay.count + pages.count == 0 { life.end() }
            guard life.isOpen else { return end(now: now) }
            guard hasRoom() else { return nil }
            do throws(FrameError) {
                guard try takePreface(), let bytes = try reader.next() else {
                    guard life.isOpen else { continue }
                    guard life.isInputClosed, underWay.count + pages.count == 0 else { return nil }
                    life.end()
                    continue
                }
                if let effect = begin(try RequestFrame(reading: bytes), now: now, source) { return effect }
            } catch {
                // What follows cannot be told apart any more.
                AnswerFrame(number: 0, .goingAway("\(error)")).write(to: &output)
                life.end()
            }
        }
    }

    private mutating func end(now: Instant) -> Effect? {
        guard life.isEnding, underWay.count + pages.count == 0 else { return nil }
        reader.clear()
        patience.end()
        return .end(life.closeOutput(now: now))
    }

    /// - Returns: whether the client's preface has come. If it speaks no version that the node speaks, the connection
    ///   ends.
    private mutating func takePreface() throws(FrameError) -> Bool {
        guard version == nil else { return true }
        guard let chosen = try reader.preface(Preface.readClient) else { return false }
        Preface.writeNode(chosen, to: &output)
        guard chosen != 0 else {
            life.end()
            return false
        }
        version = chosen
        let limits = requests.limits
        NodeHello(
            node: answers.node, inFlight: listener.options.maximumInFlight, key: limits.key, value: limits.value
        ).write(to: &output)
        return true
    }

    private mutating func begin(_ frame: RequestFrame, now: Instant, _ source: RequestSource) -> Effect? {
        guard !life.isDraining else {
            answer(frame, FrameAnswers.refused(.stopping))
            return nil
        }
        switch requests.decision(frame, settings: listener.backend.settings) {
        case .answer(let content): answer(frame, content)
        case .list(let page): pages.append(page, frame.number, now: now)
        case .execute(let command, let options):
            let counted = room.began(command)
            let isRead = command.isRead
            let request = Request(
                command, key: frame.key, slots: source.slots, options: options, caller: source.caller,
                token: UInt64(underWay.nextToken),
                allowance: isRead ? ReplyRoom.allowance(counted: counted) : .max)
            underWay.begin(
                FramesUnderWay.Entry(number: frame.number, isRead: isRead, counted: counted, bytes: request.bytes))
            return .execute(request)
        }
        return nil
    }

    private mutating func answer(_ frame: RequestFrame, _ content: AnswerFrame.Content) {
        AnswerFrame(number: frame.number, content).write(to: &output)
    }

    /// The read that is to be carried out again now, if there is one.
    private mutating func nextAside() -> Request? {
        guard life.isWritable, let read = underWay.firstAside else { return nil }
        let mayNotWait = room.reads == 0 && output.readableBytes + room.sending == 0
        guard mayNotWait || room.mayKeep(read.bytes, written: output.readableBytes, isOldest: false, counted: 0)
        else { return nil }
        underWay.takeAside()
        room.beganAgain(read.bytes)
        let request = read.request.again(
            token: UInt64(underWay.nextToken), allowance: ReplyRoom.allowance(counted: read.bytes))
        underWay.begin(
            FramesUnderWay.Entry(number: read.number, isRead: true, counted: read.bytes, bytes: request.bytes))
        return request
    }
}
