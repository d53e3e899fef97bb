import KVCore
import KVWire
import Logging
import NIOCore
import NIOPosix

/// The connection over which one shard sends to one peer. What the peer sends comes over its own connection, to
/// `PeerServer`.
///
/// Confined to the event loop that it was made with. Once started it connects, introduces itself, and starts again when
/// the connection ends. Messages that are sent while it is not up are dropped: the protocol tolerates loss and sends
/// again.
package final class PeerLink {
    package let target: PeerTarget
    package let loop: any EventLoop
    /// Messages that were not sent: the link was not up, its queue was full, or the message was too large.
    package private(set) var dropped: UInt64 = 0
    /// Something that is about partitions has been sent or received since this was last set to false.
    package var isUsed = false

    /// The time within which a running peer usually answers an attempt.
    private static let promptTime = TimeAmount.milliseconds(200)

    private let policy: PolicyBox
    private let shard: ShardPosition
    let options: PeerLinkOptions
    private let reasons: ReasonLog
    private let logger: Logger
    private let onUp: (Introduction) -> Void
    private let onDown: (String) -> Void
    private let onRefusal: (Objection) -> Void

    private var state = State.stopped
    private var writer = FrameWriter()
    /// Bytes that the channel has and the kernel has not taken yet, when last read.
    private var queued = 0
    /// The number of attempts since the link was last up.
    private var failures = 0
    private var attempts = 0
    /// The version of the protocol for the hello: the newest, unless the peer has just said that it knows only an older
    /// one.
    private var version = Handshake.protocolVersion
    /// True while the connection is being closed because the next attempt uses that older version.
    private var triesOlder = false
    private var random = SystemRandomNumberGenerator()

    private enum State {
        /// Not started, or stopped for good.
        case stopped
        /// Attempts are numbered: one that was given up may still succeed.
        case connecting(attempt: Int, since: NIODeadline)
        /// The hello is sent; the welcome has not come.
        case greeting(any Channel, timeout: Scheduled<Void>)
        /// The welcome has come, and another thread is writing the peer's start to disk.
        case noting(any Channel)
        case up(any Channel)
        /// The channel is being closed; `ended` comes next.
        case closing(any Channel, reason: String, wasUp: Bool)
        /// Waits for the next attempt.
        case waiting(Scheduled<Void>)
    }

    /// - Parameters:
    ///   - target: each address that its name resolves to is tried until one can be connected to.
    ///   - onUp: called with the peer's introduction when the link is up.
    ///   - onDown: called with the reason when the link is no longer up. It alternates with `onUp`, and neither is
    ///     called from within a method of the link.
    ///   - onRefusal: called with the reason when the peer refuses.
    package init(
        to target: PeerTarget, policy: PolicyBox, shard: ShardPosition, on loop: any EventLoop,
        options: PeerLinkOptions = PeerLinkOptions(), reasons: ReasonLog, logger: Logger,
        onUp: @escaping (Introduction) -> Void, onDown: @escaping (String) -> Void,
        onRefusal: @escaping (Objection) -> Void = { _ in }
    ) {
        self.target = target
        self.policy = policy
        self.shard = shard
        self.loop = loop
        self.options = options
        self.reasons = reasons
        self.logger = logger
        self.onUp = onUp
        self.onDown = onDown
        self.onRefusal = onRefusal
    }

    package var isUp: Bool {
        if case .up = state { true } else { false }
    }

    /// Bytes that wait to be sent, as of the last flush.
    package var queuedBytes: Int { queued + writer.byteCount }

    package func start() {
        loop.preconditionInEventLoop()
        guard case .stopped = state else { return }
        connect()
    }

    /// Connects at once rather than after the pause, and starts again an attempt that takes unusually long: the peer
    /// has just been heard.
    package func reconnectNow() {
        loop.preconditionInEventLoop()
        switch state {
        case .waiting(let attempt):
            attempt.cancel()
            connect()
        case .connecting(_, let since) where NIODeadline.now() - since > Self.promptTime:
            // TCP repeats a lost SYN only after a second, and again after two more.
            connect()
        default: break
        }
    }

    /// Closes the connection and connects again: the peer was not heard for a while, and what the connection holds is
    /// useless by now. It could be stuck for as long again as the network was cut.
    package func renew(_ reason: String) {
        loop.preconditionInEventLoop()
        guard case .up(let channel) = state else { return }
        close(channel, reason, wasUp: true)
    }

    /// Closes the connection and does not connect again. What the kernel has taken is still delivered.
    package func stop() {
        loop.preconditionInEventLoop()
        let old = state
        state = .stopped
        writer.discard()
        switch old {
        case .stopped, .connecting: break
        case .waiting(let attempt): attempt.cancel()
        case .greeting(let channel, let timeout):
            timeout.cancel()
            channel.close(promise: nil)
        case .noting(let channel): channel.close(promise: nil)
        case .closing(let channel, let reason, let wasUp):
            channel.close(promise: nil)
            if wasUp { tellDown(reason) }
        case .up(let channel):
            channel.close(promise: nil)
            tellDown("this node is stopping")
        }
    }

    /// Queues a message until `flush`.
    package func send(_ message: PeerMessage) {
        guard hasRoom() else { return }
        let takesValue = takesValue(of: message)
        if !takesValue { dropped &+= 1 }
        guard let message = takesValue ? message : message.refusal else { return }
        if !writer.append(message) { dropTooLarge() }
    }

    /// Queues a message that was encoded once for several peers.
    package func send(_ message: EncodedMessage) {
        guard hasRoom() else { return }
        if !writer.append(message) { dropTooLarge() }
    }

    /// Sends what was queued, in one write. Call it at the end of a tick.
    package func flush() {
        guard case .up(let channel) = state, let frames = writer.finish() else { return }
        channel.writeAndFlush(frames, promise: nil)
        updateQueued(channel)
    }

    private func hasRoom() -> Bool {
        guard case .up(let channel) = state else {
            dropped &+= 1
            return false
        }
        if queued + writer.byteCount < options.queueLimit { return true }
        updateQueued(channel)
        if queued + writer.byteCount < options.queueLimit { return true }
        dropped &+= 1
        close(
            channel,
            "\(queuedBytes) bytes wait for \(target.name), which does not take them (the limit is \(options.queueLimit))",
            wasUp: true)
        return false
    }

    private func updateQueued(_ channel: any Channel) {
        // A writable channel holds next to nothing.
        queued = channel.isWritable ? 0 : (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    private func dropTooLarge() {
        dropped &+= 1
        reasons.say(
            "a message to \(target.name) is above the limit of \(FrameLimits.payload) bytes and was not sent; "
                + "please report this as a bug",
            of: target.name, level: .error)
    }
}

// MARK: - Connecting

extension PeerLink {
    private func connect() {
        attempts &+= 1
        let attempt = attempts
        state = .connecting(attempt: attempt, since: .now())
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(options.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.acknowledgeTimeout, value: Int(Int32(clamping: options.acknowledgeTimeout.milliseconds)))
        let connected =
            if let address = target.address.numeric {
                bootstrap.connect(to: address)
            } else {
                bootstrap.connect(host: target.address.host, port: target.address.port)
            }
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel, attempt)
            case .failure(let error): self.couldNotConnect(error, attempt)
            }
        }
    }

    private func couldNotConnect(_ error: any Error, _ attempt: Int) {
        guard case .connecting(attempt, _) = state else { return }
        reasons.say(
            "cannot reach \(target.name) at \(target.address): \(describe(error)); trying again until it answers",
            of: target.name)
        retry()
    }

    private func connected(_ channel: any Channel, _ attempt: Int) {
        guard case .connecting(attempt, _) = state else { return channel.close(promise: nil) }
        do {
            let hello = try Handshake.hello(policy.introduction(in: version), shard: shard).frame()
            try channel.pipeline.syncOperations.addHandler(PeerLinkHandler(link: self))
            let timeout = loop.assumeIsolated().scheduleTask(in: TimeAmount(options.handshakeTimeout)) {
                guard case .greeting(channel, _) = self.state else { return }
                self.close(channel, "no answer to the handshake in time", wasUp: false)
            }
            state = .greeting(channel, timeout: timeout)
            channel.writeAndFlush(hello, promise: nil)
        } catch {
            state = .closing(channel, reason: describe(error), wasUp: false)
            channel.close(promise: nil)
            ended(channel)
        }
        if !channel.isActive { ended(channel) }
    }

    /// Handles the peer's part of the handshake.
    func answered(_ answer: Handshake, on channel: any Channel) {
        guard case .greeting(channel, let timeout) = state else { return }
        timeout.cancel()
        switch answer {
        case .hello:
            close(channel, "it answered a hello with a hello", wasUp: false)
        case .refusal(let refusal) where speaksOlder(refusal):
            version = refusal.version
            triesOlder = true
            close(channel, "it speaks an older version of the peer protocol", wasUp: false)
        case .refusal(let refusal):
            close(channel, "it refused: \(printable(refusal.text, limit: Handshake.maximumRefusal))", wasUp: false)
            onRefusal(Objection(code(of: refusal), refusal.text))
        case .welcome(let introduction):
            let verdict = policy.verdict(on: introduction, loop: loop) { [target] in
                $0.objection(to: introduction, at: target)
            }
            switch verdict {
            case .known(let objection): welcomed(introduction, objection, channel)
            case .later(let verdict):
                state = .noting(channel)
                verdict.assumeIsolated().whenSuccess { objection in
                    guard case .noting(channel) = self.state else { return }
                    self.welcomed(introduction, objection, channel)
                }
            }
        }
    }

    private func welcomed(_ introduction: Introduction, _ objection: Objection?, _ channel: any Channel) {
        if let objection { return close(channel, objection.text, wasUp: false) }
        state = .up(channel)
        writer.protocolVersion = introduction.version
        failures = 0
        queued = 0
        reasons.forget(target.name)
        logger.log(level: shard.index == 0 ? .info : .debug, "connected to \(target.name) at \(target.address)")
        onUp(introduction)
    }

    /// True when the peer refused only because it does not know the hello's version, and this node speaks an older
    /// version that the peer knows.
    private func speaksOlder(_ refusal: HandshakeRefusal) -> Bool {
        refusal.version < version && Handshake.versions.contains(refusal.version)
    }

    /// The code of a refusal. In version 3 it follows from the words.
    private func code(of refusal: HandshakeRefusal) -> HandshakeRefusal.Code {
        let isRemoval = refusal.version < 4 && refusal.text.contains(PeerPolicy.removal)
        return isRemoval ? .removed : refusal.code
    }

    /// Closes the connection for this node's own reason.
    func close(_ channel: any Channel, _ reason: String) {
        switch state {
        case .greeting(channel, let timeout):
            timeout.cancel()
            close(channel, reason, wasUp: false)
        case .noting(channel): close(channel, reason, wasUp: false)
        case .up(channel):
            close(channel, reason, wasUp: true)
        default:
            break
        }
    }

    private func close(_ channel: any Channel, _ reason: String, wasUp: Bool) {
        state = .closing(channel, reason: reason, wasUp: wasUp)
        writer.discard()
        // Close later: the caller may be in the middle of a tick, and the channel in the middle of reading.
        loop.assumeIsolated().execute { channel.close(promise: nil) }
    }

    /// Handles the end of the connection.
    func ended(_ channel: any Channel) {
        let reason: String
        let wasUp: Bool
        switch state {
        case .greeting(channel, let timeout):
            timeout.cancel()
            (reason, wasUp) = ("it closed the connection during the handshake", false)
        case .noting(channel):
            (reason, wasUp) = ("it closed the connection after the handshake", false)
        case .up(channel):
            (reason, wasUp) = ("it closed the connection", true)
        case .closing(channel, let why, let was):
            (reason, wasUp) = (why, was)
        default:
            return
        }
        writer.discard()
        if triesOlder {
            triesOlder = false
            return connect()
        }
        // The peer's next process may speak a newer version.
        version = Handshake.protocolVersion
        if wasUp {
            reasons.say("lost the connection to \(target.name): \(reason); connecting again", of: target.name)
            tellDown(reason)
        } else {
            reasons.say("no connection to \(target.name) at \(target.address): \(reason)", of: target.name)
        }
        retry()
    }

    private func retry() {
        failures += 1
        let pause = options.backoff(failures: failures, using: &random)
        state = .waiting(
            loop.assumeIsolated().scheduleTask(in: TimeAmount(pause)) {
                guard case .waiting = self.state else { return }
                self.connect()
            })
    }

    private func tellDown(_ reason: String) {
        loop.assumeIsolated().execute { self.onDown(reason) }
    }
}

/// Matches the same channel.
private func ~= (pattern: any Channel, value: any Channel) -> Bool { pattern === value }
