import KVProtocol
import NIOCore

/// Finds out from a connection's first bytes which protocol it speaks, and leaves its place to that.
///
/// A line that begins with a method of HTTP, a space and a target is HTTP, and the magic bytes of `Preface` are the
/// client protocol; everything else is for the Redis protocol: an array, or the words of an inline command. (So
/// `GET /x` on a line of its own is HTTP; as an array it is Redis's.)
package final class ProtocolSwitch: ChannelInboundHandler, RemovableChannelHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer

    package enum Choice: Hashable, Sendable {
        case http
        case resp
        /// The protocol of `KVClient`.
        case frames
        /// None of them, but a protocol in whose words it can be refused.
        case foreign(ForeignProtocol)
    }

    /// How long a connection may stay open without having said anything that decides.
    package static let timeout = TimeAmount.seconds(75)

    private let configure: (any Channel, Choice) throws -> Void
    private let onForeign: (ForeignProtocol) -> Void
    private var pending: ByteBuffer?
    private var timer: Scheduled<Void>?

    /// - Parameters:
    ///   - onForeign: called if a connection speaks a protocol that is not spoken here; it is answered and closed.
    ///   - configure: adds the handlers of the protocol to the channel.
    package init(
        onForeign: @escaping (ForeignProtocol) -> Void = { _ in },
        configure: @escaping (any Channel, Choice) throws -> Void
    ) {
        self.onForeign = onForeign
        self.configure = configure
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: Self.timeout) { channel.close(promise: nil) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    package func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if pending == nil { pending = bytes } else { pending?.writeBuffer(&bytes) }
        guard let gathered = pending, let choice = Self.choice(gathered.readableBytesView) else { return }
        if case .foreign(let foreign) = choice { return refuse(foreign, context) }
        guard decide(choice, context) else { return }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    private func refuse(_ foreign: ForeignProtocol, _ context: ChannelHandlerContext) {
        pending = nil
        onForeign(foreign)
        let sent = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        sent.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(NIOAny(context.channel.allocator.buffer(bytes: foreign.refusal)), promise: sent)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent: context.close(promise: nil)
        case ChannelEvent.inputClosed:
            // Nothing more comes that could decide.
            guard pending != nil, decide(.resp, context) else { return context.close(promise: nil) }
            context.fireUserInboundEventTriggered(event)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    /// Sets the protocol up. If that fails, closes the connection and returns false.
    private func decide(_ choice: Choice, _ context: ChannelHandlerContext) -> Bool {
        do {
            try configure(context.channel, choice)
        } catch {
            context.close(promise: nil)
            return false
        }
        if let pending {
            self.pending = nil
            context.fireChannelRead(wrapInboundOut(pending))
            context.fireChannelReadComplete()
        }
        return true
    }

    // MARK: Deciding

    private static let methods: [[UInt8]] = [
        "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI",
    ].map { (method: String) in Array(method.utf8) }

    /// The protocol of these first bytes; nil if more of them are needed.
    static func choice(_ bytes: some Collection<UInt8>) -> Choice? {
        if bytes.first == 0x16 {
            guard let second = bytes.dropFirst().first else { return nil }
            return second == 0x03 ? .foreign(.tls) : .resp
        }
        if bytes.first == Preface.magic.first {
            guard let begins = Preface.begins(bytes) else { return nil }
            return begins ? .frames : .resp
        }
        // Empty lines before a request are passed over by HTTP and by Redis's protocol.
        let rest = bytes.drop { $0 == 0x0d || $0 == 0x0a }
        guard !rest.isEmpty else { return nil }
        let word = rest.prefix { $0 != 0x20 }
        guard word.count < rest.count else {
            return methods.contains { $0.starts(with: word) } ? nil : .resp
        }
        guard let method = methods.first(where: { $0.elementsEqual(word) }) else { return .resp }
        if method == Array("PRI".utf8) {
            let preface = "* HTTP/2.0\r\n".utf8
            let given = rest.dropFirst(word.count + 1)
            if given.starts(with: preface) { return .foreign(.http2) }
            return preface.starts(with: given) ? nil : .resp
        }
        // It names a host and port.
        if method == Array("CONNECT".utf8) { return .http }
        return target(rest.dropFirst(word.count + 1), ofServer: method == Array("OPTIONS".utf8))
    }

    private static func target(_ target: some Collection<UInt8>, ofServer: Bool) -> Choice? {
        guard let first = target.first else { return nil }
        if first == UInt8(ascii: "/") || ofServer && first == UInt8(ascii: "*") { return .http }
        for scheme in ["http://", "https://"] {
            if target.starts(with: scheme.utf8) { return .http }
            if target.count < scheme.utf8.count, scheme.utf8.starts(with: target) { return nil }
        }
        return .resp
    }
}

/// A protocol that some clients try and that is not spoken here.
package enum ForeignProtocol: Hashable, Sendable {
    /// HTTP/2 by prior knowledge (RFC 9113).
    case http2
    /// A hello of TLS (RFC 8446).
    case tls

    /// For the log: what happened, and what to do.
    package var advice: String {
        switch self {
        case .http2: "a client speaks HTTP/2 to the client port; have it speak HTTP/1.1"
        case .tls: "a client speaks TLS to the client port, where there is none; use http:// and redis:// addresses"
        }
    }

    /// Says no in the protocol's own words.
    var refusal: [UInt8] {
        switch self {
        case .http2:
            let reason = Array("kv speaks HTTP/1.1".utf8)
            // SETTINGS, as every server begins, and GOAWAY: no stream was seen, HTTP_1_1_REQUIRED.
            return [0, 0, 0, 4, 0, 0, 0, 0, 0] + [0, 0, UInt8(8 + reason.count), 7, 0, 0, 0, 0, 0]
                + [0, 0, 0, 0, 0, 0, 0, 0x0d] + reason
        case .tls:
            // An alert: fatal, handshake_failure.
            return [0x15, 0x03, 0x01, 0, 2, 2, 40]
        }
    }
}
