import KVCore
import NIOCore
import NIOHTTP1

/// The decisions of one HTTP/1 connection: what to read, what to ask of the backend, what to refuse, when to close.
///
/// Requests are carried out one at a time, in order; what the client sends meanwhile waits in a bounded queue.
/// Inputs are taken by `received` and the like; `next` is then to be called until it gives nil.
struct HTTPConnection {
    enum Effect {
        /// Tell the client to send the body it announced.
        case proceed
        /// Carry it out, then call `answered`.
        case execute(HTTPRequest)
        /// Answer so.
        case refuse(HTTPFailure, AnswerFrame)
        /// Close the sending half once everything is sent, and go on reading.
        case closeOutput
        /// Close once everything is sent.
        case finish
        /// Close now.
        case abort
    }

    private enum State {
        /// No request is under way. A head may have come in part.
        case waiting
        /// The body of a request that will be executed is coming.
        case receiving(HTTPRequest)
        /// The body of a request that will be refused is coming: answering at its end keeps the connection usable.
        case discarding(HTTPFailure)
        case executing
        /// The last answer is given, the output is to be closed.
        case ending
        /// The output closes; input is discarded until the client closes too.
        case lingering
        case closed
    }

    private enum Input {
        case part(HTTPServerRequestPart)
        /// What follows cannot be understood.
        case failure(HTTPFailure)
    }

    private let parser: RequestParser
    private let options: HTTPOptions
    private var state = State.waiting
    private var queue = CircularBuffer<Input>(initialCapacity: 4)
    /// Heads in `queue`.
    private var queuedRequests = 0
    /// How the request under way is to be answered.
    private var frame = AnswerFrame()
    /// Of the request under way: what has come of it, within the limit on values.
    private var body: [UInt8] = []
    /// Of the request under way: bytes that came, kept or not.
    private var bodyCount = 0
    /// The client asked for another protocol: what it sends next is not HTTP.
    private var isForeign = false
    /// A head has come in part: bytes were read between requests that made no part. (The beginning of a head behind the
    /// end of a request is not noticed before the next read; until then the connection counts as idle.)
    private var isHeadUnderway = false
    /// Since the last read was complete.
    private var hasReadPart = false
    /// Nothing more is taken in: after a failure to parse, or too much.
    private var isDeaf = false
    private var isInputClosed = false
    private var isDraining = false
    private var isWritable = true

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    private(set) var deadline: Instant?

    init(parser: RequestParser, options: HTTPOptions, now: Instant) {
        self.parser = parser
        self.options = options
        deadline = now + options.idleTimeout
    }

    /// Whether more should be read. Reading goes on while a request is carried out, until another one waits behind it.
    var wantsInput: Bool {
        if case .lingering = state { return true }
        return queue.isEmpty && isWritable && !isForeign && !isDeaf
    }
}

extension HTTPConnection {
    /// Bytes of a body that are held.
    var keptBytes: Int { body.count }
    /// Parts of requests that wait.
    var queuedParts: Int { queue.count }
}

// MARK: - Inputs

extension HTTPConnection {
    mutating func received(_ part: HTTPServerRequestPart) {
        guard !isDeaf, !isOver else { return }
        isHeadUnderway = false
        hasReadPart = true
        if case .head = part {
            guard queuedRequests < options.maximumPipelined else {
                return failed(
                    HTTPFailure(
                        .tooManyRequests, "too_many_pipelined",
                        "more than \(options.maximumPipelined) requests wait on this connection; read answers first"))
            }
            queuedRequests += 1
        }
        queue.append(.part(part))
    }

    /// The input cannot be understood from here on.
    mutating func failed(_ failure: HTTPFailure) {
        guard !isDeaf, !isOver else { return }
        isDeaf = true
        queue.append(.failure(failure))
    }

    /// All that one read brought has been `received`.
    mutating func readCompleted(now: Instant) {
        defer { hasReadPart = false }
        guard case .waiting = state, !hasReadPart, !isHeadUnderway, !isDeaf else { return }
        isHeadUnderway = true
        deadline = now + options.headTimeout
    }

    /// The client will send nothing more.
    mutating func inputClosed() { isInputClosed = true }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) {
        guard case .lingering = state else { return }
        deadline = now + (isDraining ? options.drainingLingerTimeout : options.lingerTimeout)
    }

    /// The node is stopping: the request under way is answered, then the connection closes.
    mutating func drain() { isDraining = true }

    mutating func writability(_ isWritable: Bool, now: Instant) {
        self.isWritable = isWritable
        switch state {
        case .waiting where isWritable: deadline = now + options.idleTimeout
        case .waiting: deadline = now + options.writeTimeout
        default: break
        }
    }

    mutating func closed() {
        state = .closed
        deadline = nil
        queue.removeAll()
        body = []
    }

    /// The deadline has passed, perhaps.
    mutating func timer(now: Instant) -> Effect? {
        guard let deadline, deadline <= now else { return nil }
        self.deadline = nil
        switch state {
        case .waiting where isHeadUnderway && isWritable:
            return refuseLast(Self.timedOut("head", options.headTimeout))
        case .receiving, .discarding:
            return refuseLast(Self.timedOut("body", options.bodyTimeout))
        case .waiting, .lingering, .ending:
            closed()
            return .abort
        case .executing, .closed:
            return nil
        }
    }

    private static func timedOut(_ what: String, _ limit: Nanoseconds) -> HTTPFailure {
        HTTPFailure(
            .requestTimeout, "request_timeout",
            "the request's \(what) did not arrive within \(limit.milliseconds / 1000)s; nothing was changed; send it again"
        )
    }

    private var isOver: Bool {
        switch state {
        case .ending, .lingering, .closed: true
        case .waiting, .receiving, .discarding, .executing: false
        }
    }
}

// MARK: - Decisions

extension HTTPConnection {
    /// What to do next; nil when that depends on inputs to come.
    mutating func next(now: Instant) -> Effect? {
        while true {
            switch state {
            case .executing, .lingering, .closed: return nil
            case .ending:
                queue.removeAll()
                state = .lingering
                deadline = now + options.writeTimeout
                return isInputClosed || isForeign ? .finish : .closeOutput
            case .waiting, .receiving, .discarding:
                guard isWritable else { return nil }
                if let input = queue.popFirst() {
                    if let effect = take(input, now: now) { return effect }
                } else if isInputClosed || isDraining, !isAwaitingRest {
                    state = .ending
                } else {
                    return nil
                }
            }
        }
    }

    /// The request under way is carried out and its answer, in this frame, about to be written; nil where the
    /// connection is gone.
    mutating func answered(now: Instant) -> AnswerFrame? {
        guard case .executing = state else { return nil }
        return endAnswer(now: now)
    }

    /// Whether a request has begun whose rest may yet come.
    private var isAwaitingRest: Bool {
        if isInputClosed { return false }
        if case .waiting = state { return isHeadUnderway }
        return true
    }

    private mutating func take(_ input: Input, now: Instant) -> Effect? {
        switch input {
        case .failure(let failure): return refuseLast(failure)
        case .part(.head(let head)): return begin(head, now: now)
        case .part(.body(let bytes)): return append(bytes)
        case .part(.end): return end(now: now)
        }
    }

    private mutating func begin(_ head: HTTPRequestHead, now: Instant) -> Effect? {
        queuedRequests -= 1
        bodyCount = 0
        frame = AnswerFrame(head)
        do throws(HTTPFailure) {
            let fields = try RequestFields(head)
            if fields.asksUpgrade {
                isForeign = true
                frame.connection = .close
            }
            deadline = now + options.bodyTimeout
            return try expect(fields, head)
        } catch {
            return refuseLast(error)
        }
    }

    /// Decides about a body before any of it is taken. What is thrown ends the connection.
    private mutating func expect(_ fields: RequestFields, _ head: HTTPRequestHead) throws(HTTPFailure) -> Effect? {
        do throws(HTTPFailure) {
            state = .receiving(try parser.parse(head, fields))
        } catch {
            // The client waits to hear whether to send the body: not sending it would leave the connection in doubt.
            if fields.expectsContinue, fields.framing != .none { throw error }
            state = .discarding(error)
        }
        if case .length(let length) = fields.framing, length > bodyLimit { throw bodyTooLarge }
        return fields.expectsContinue && fields.framing != .none ? .proceed : nil
    }

    private var bodyLimit: Int {
        if case .receiving(let request) = state { return request.bodyLimit(parser.limits) }
        return parser.limits.value
    }

    private var bodyTooLarge: HTTPFailure {
        if case .receiving(let request) = state { return request.bodyTooLarge(parser.limits) }
        return .valueTooLarge(limit: parser.limits.value)
    }

    private mutating func append(_ bytes: ByteBuffer) -> Effect? {
        bodyCount += bytes.readableBytes
        guard bodyCount <= bodyLimit else { return refuseLast(bodyTooLarge) }
        guard case .receiving = state else { return nil }
        if body.isEmpty {
            body = Array(buffer: bytes)
        } else {
            body.append(contentsOf: bytes.readableBytesView)
        }
        return nil
    }

    private mutating func end(now: Instant) -> Effect? {
        switch state {
        case .receiving(let request):
            return execute(request, now: now)
        case .discarding(let failure):
            return .refuse(failure, endAnswer(now: now))
        case .waiting, .executing, .ending, .lingering, .closed:
            return nil
        }
    }

    /// Begins a request whose body, if any, has come.
    private mutating func execute(_ request: HTTPRequest, now: Instant) -> Effect {
        let body = body
        self.body = []
        var request = request
        switch request {
        case .put(let key, let options, var put):
            put.value = body
            request = .put(key, options, put)
        case .change(let change, let hasParameters, let timeout):
            do throws(HTTPFailure) {
                let asked = try change.request(body: body, hasParameters: hasParameters)
                request = .control(asked, timeout: timeout)
            } catch {
                return .refuse(error, endAnswer(now: now))
            }
        default: break
        }
        state = .executing
        deadline = nil
        return .execute(request)
    }

    /// Refuses where the connection cannot be used any more.
    private mutating func refuseLast(_ failure: HTTPFailure) -> Effect {
        body = []
        frame.connection = .close
        state = .ending
        return .refuse(failure, frame)
    }

    private mutating func endAnswer(now: Instant) -> AnswerFrame {
        if isDraining { frame.connection = .close }
        defer { frame = AnswerFrame() }
        if frame.connection == .close {
            state = .ending
        } else {
            state = .waiting
            deadline = now + options.idleTimeout
        }
        return frame
    }
}

/// What an answer owes to the request rather than to its outcome.
struct AnswerFrame: Equatable {
    enum Connection {
        /// Stays open, as is usual in HTTP/1.1.
        case implicit
        /// Stays open, which a client of HTTP/1.0 must be told.
        case keepAlive
        case close
    }

    /// The answer to a HEAD.
    var omitsBody = false
    var connection = Connection.implicit

    init() {}

    init(_ head: HTTPRequestHead) {
        omitsBody = head.method == .HEAD
        connection = !head.isKeepAlive ? .close : head.version.minor == 0 ? .keepAlive : .implicit
    }
}
