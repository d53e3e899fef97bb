import KVCore
import NIOCore
import NIOHTTP1

/// Decides for one HTTP/1 connection: what to read, what to ask of the backend, what to refuse, and when to close.
///
/// Requests are carried out one at a time, in order. Parts of later requests wait in a bounded queue. `received` and
/// its like take inputs; afterwards `next` must be called until it returns nil.
struct HTTPConnection {
    enum Effect {
        /// Tell the client to send the body it announced.
        case proceed
        /// Carry it out, then call `answered`.
        case execute(HTTPRequest)
        /// Answer so.
        case refuse(HTTPFailure, PendingResponse)
        case end(ConnectionEnd)
    }

    /// The request under way, while the connection is open.
    private enum State {
        /// No request is under way. A head may have come in part.
        case waiting
        /// The body of a request that will be executed is coming.
        case receiving(HTTPRequest)
        /// The body of a request that will be refused is coming: answering at its end keeps the connection usable.
        case discarding(HTTPFailure)
        case executing
    }

    /// How far the reading of requests has come.
    private enum Intake {
        /// Nothing has been read since the last read was complete.
        case idle
        /// Parts of requests have been read since.
        case parts
        /// A head has come in part: bytes were read between requests that made no part. (The beginning of a head behind
        /// the end of a request is not noticed before the next read; until then the connection counts as idle.)
        case headUnderway
        /// Nothing more is taken in: after a failure to parse, or too much.
        case ended
    }

    private enum Input {
        case part(HTTPServerRequestPart)
        /// The rest of the input cannot be understood.
        case failure(HTTPFailure)
    }

    private let parser: RequestParser
    private let options: HTTPOptions
    private var life: ConnectionLifecycle
    private var state = State.waiting
    private var intake = Intake.idle
    private var queue = CircularBuffer<Input>(initialCapacity: 4)
    /// Heads in `queue`.
    private var queuedRequests = 0
    /// The response to the request under way, as far as it is known.
    private var response = PendingResponse()
    /// The body of the request under way, as far as it has come and is needed.
    private var body: [UInt8] = []
    /// Bytes of the body of the request under way that have come, kept or not.
    private var bodyCount = 0
    /// The time by which the client must have sent more, or must have read its answers.
    private var requestDeadline: Instant?

    init(parser: RequestParser, options: HTTPOptions, now: Instant) {
        self.parser = parser
        self.options = options
        life = ConnectionLifecycle(options.times)
        requestDeadline = now + options.idleTimeout
    }

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    var deadline: Instant? { life.deadline ?? requestDeadline }

    /// Whether more should be read. Reading goes on while a request is carried out, until another one waits behind it.
    var wantsInput: Bool {
        life.discardsInput || queue.isEmpty && life.isWritable && !life.isInputForeign && intake != .ended
    }

    private var isWaiting: Bool { if case .waiting = state { true } else { false } }
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
        guard intake != .ended, life.isOpen else { return }
        intake = .parts
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
        guard intake != .ended, life.isOpen else { return }
        intake = .ended
        queue.append(.failure(failure))
    }

    /// One read is complete; all its parts have been `received`.
    mutating func readCompleted(now: Instant) {
        switch intake {
        case .parts: intake = .idle
        case .idle where isWaiting && life.isOpen:
            intake = .headUnderway
            requestDeadline = now + options.headTimeout
        case .idle, .headUnderway, .ended: break
        }
    }

    /// The client will send nothing more.
    mutating func inputClosed() { life.inputClosed() }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) { life.outputClosed(now: now) }

    /// The node is stopping: the request under way is answered, then the connection closes.
    mutating func drain() { life.drain() }

    mutating func writability(_ isWritable: Bool, now: Instant) {
        life.isWritable = isWritable
        guard isWaiting, life.isOpen else { return }
        requestDeadline = now + (isWritable ? options.idleTimeout : options.times.write)
    }

    mutating func closed() {
        life.closed()
        forget()
    }

    /// No request is under way or waits any more.
    private mutating func forget() {
        state = .waiting
        requestDeadline = nil
        queue.removeAll()
        queuedRequests = 0
        body = []
    }

    /// The deadline has passed, perhaps.
    mutating func timer(now: Instant) -> Effect? {
        if let end = life.timer(now: now) {
            forget()
            return .end(end)
        }
        guard let requestDeadline, requestDeadline <= now else { return nil }
        self.requestDeadline = nil
        switch state {
        case .waiting where life.isOpen && intake == .headUnderway && life.isWritable:
            return refuseLast(Self.timedOut("head", options.headTimeout))
        case .receiving, .discarding:
            return refuseLast(Self.timedOut("body", options.bodyTimeout))
        case .waiting:
            closed()
            return .end(.abort)
        case .executing:
            return nil
        }
    }

    private static func timedOut(_ what: String, _ limit: Nanoseconds) -> HTTPFailure {
        HTTPFailure(
            .requestTimeout, "request_timeout",
            "the request's \(what) did not arrive within \(limit.milliseconds / 1000)s; nothing was changed; send it again"
        )
    }
}

// MARK: - Decisions

extension HTTPConnection {
    /// Returns what to do next, or nil when that depends on inputs to come.
    mutating func next(now: Instant) -> Effect? {
        while life.isOpen {
            if case .executing = state { return nil }
            guard life.isWritable else { return nil }
            if let input = queue.popFirst() {
                if let effect = take(input, now: now) { return effect }
            } else if life.isInputClosed || life.isDraining, !isAwaitingRest {
                end()
            } else {
                return nil
            }
        }
        guard life.isEnding else { return nil }
        forget()
        return .end(life.closeOutput(now: now))
    }

    /// The request under way has been carried out, and its answer is about to be written.
    /// - Returns: how to write it, or nil if the connection is gone.
    mutating func answered(now: Instant) -> PendingResponse? {
        guard case .executing = state else { return nil }
        assert(life.isOpen, "a request under way keeps its connection open")
        return endAnswer(now: now)
    }

    /// Whether a request has begun to arrive and the rest of it may still come.
    private var isAwaitingRest: Bool {
        if life.isInputClosed { return false }
        return isWaiting ? intake == .headUnderway : true
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
        response = PendingResponse(head)
        do throws(HTTPFailure) {
            let fields = try RequestFields(head)
            if fields.asksUpgrade {
                life.inputIsForeign()
                response.connection = .close
            }
            requestDeadline = now + options.bodyTimeout
            return try expect(fields, head)
        } catch {
            return refuseLast(error)
        }
    }

    /// Decides about a body before any of it is taken. An error that is thrown ends the connection.
    private mutating func expect(_ fields: RequestFields, _ head: HTTPRequestHead) throws(HTTPFailure) -> Effect? {
        do throws(HTTPFailure) {
            let request = try parser.parse(head, fields)
            if case .key(let key) = request { response.unless = key.unless }
            state = .receiving(request)
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
        case .waiting, .executing:
            return nil
        }
    }

    /// Begins a request whose body, if any, has come.
    private mutating func execute(_ request: HTTPRequest, now: Instant) -> Effect {
        let body = body
        self.body = []
        var request = request
        switch request {
        case .key(var key):
            key.take(body)
            request = .key(key)
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
        requestDeadline = nil
        return .execute(request)
    }

    /// Refuses a request after which the connection cannot be used any more.
    private mutating func refuseLast(_ failure: HTTPFailure) -> Effect {
        body = []
        response.connection = .close
        end()
        return .refuse(failure, response)
    }

    private mutating func endAnswer(now: Instant) -> PendingResponse {
        if life.isDraining { response.connection = .close }
        defer { response = PendingResponse() }
        if response.connection == .close {
            end()
        } else {
            state = .waiting
            requestDeadline = now + options.idleTimeout
        }
        return response
    }

    /// The last answer is about to be written.
    private mutating func end() {
        state = .waiting
        life.end()
    }
}
