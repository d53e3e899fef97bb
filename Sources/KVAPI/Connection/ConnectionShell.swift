import KVCore
import NIOCore

/// Does on a channel what the handlers of all protocols do alike: it reads when there is room, writes, closes, and
/// calls back at a deadline. Each handler has one, from `attach` to `detach`.
///
/// A class, because what it calls may call it in turn before it has returned.
final class ConnectionShell {
    private struct Callbacks {
        let timer: () -> Void
        let sent: (Int) -> Void
    }

    let loop: any EventLoop
    private var context: ChannelHandlerContext?
    /// They hold the handler.
    private var callbacks: Callbacks?
    private var isReadHeld = false
    private var timer: Scheduled<Void>?
    private var timerDeadline = Instant(nanoseconds: .max)

    init(loop: any EventLoop) { self.loop = loop }

    var isAttached: Bool { context != nil }

    var now: Instant { Instant(nanoseconds: loop.now.uptimeNanoseconds) }

    /// - Parameters:
    ///   - timer: called at the deadline given to `arm` last, or a little before it.
    ///   - sent: called with the bytes of a large piece once the socket has taken it, or cannot.
    func attach(
        _ context: ChannelHandlerContext, timer: @escaping () -> Void, sent: @escaping (Int) -> Void
    ) {
        assert(self.context == nil, "a handler is added once")
        self.context = context
        callbacks = Callbacks(timer: timer, sent: sent)
    }

    /// Nothing is done or called back from here on.
    func detach() {
        timer?.cancel()
        timer = nil
        context = nil
        callbacks = nil
    }

    // MARK: - Reading

    /// Reads, or waits with it until `readIfHeld`.
    func read(if wantsInput: Bool) { if wantsInput { context?.read() } else { isReadHeld = true } }

    /// Reads where a read was waited with and more is wanted by now.
    func readIfHeld(_ wantsInput: @autoclosure () -> Bool) {
        guard isReadHeld, wantsInput() else { return }
        isReadHeld = false
        context?.read()
    }

    // MARK: - Writing

    /// Bytes that the channel has taken and not sent.
    var unsent: Int {
        let unsent = try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)
        return unsent ?? 0
    }

    /// Sends bytes.
    /// - Parameter charge: called first with the bytes of a large piece, for which `sent` is called in time. A channel
    ///   holds little of the rest (its high-water mark).
    func write(_ bytes: ByteBuffer, charge: (Int) -> Void) {
        guard let context else { return }
        let count = bytes.readableBytes
        guard count > ReplyRoom.small else { return context.writeAndFlush(NIOAny(bytes), promise: nil) }
        charge(count)
        let promise = loop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: loop)
        promise.futureResult.whenComplete { _ in bound.value.callbacks?.sent(count) }
        context.writeAndFlush(NIOAny(bytes), promise: promise)
    }

    /// Closes the connection, or its sending half, so.
    /// - Parameter rest: what is to be sent before `finish`.
    func end(_ end: ConnectionEnd, _ rest: @autoclosure () -> ByteBuffer) {
        guard let context else { return }
        switch end {
        case .closeOutput: context.close(mode: .output, promise: nil)
        case .finish:
            let sent = loop.makePromise(of: Void.self)
            let channel = context.channel
            sent.futureResult.whenComplete { _ in channel.close(promise: nil) }
            context.writeAndFlush(NIOAny(rest()), promise: sent)
        case .abort: context.close(promise: nil)
        }
    }

    // MARK: - The timer

    /// Sees to it that the timer fires at the deadline or before. A deadline that moves back costs nothing until the
    /// timer finds that it has moved.
    func arm(_ deadline: Instant?) {
        guard let deadline, context != nil else { return }
        if timer != nil {
            guard deadline < timerDeadline else { return }
            timer?.cancel()
        }
        timerDeadline = deadline
        let moment = NIODeadline.uptimeNanoseconds(deadline.nanoseconds)
        timer = loop.assumeIsolated().scheduleTask(deadline: moment) { [self] in
            timer = nil
            callbacks?.timer()
        }
    }
}
