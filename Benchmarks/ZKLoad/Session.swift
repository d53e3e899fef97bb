import NIOCore

/// One connection, with a session of its own. A session's requests have ids from 1 and are answered in their order.
final class Session: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State { case opening, working, closing }

    private let load: Load
    private var state = State.opening
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    /// The ids of the last request that was sent, and of the last that was answered.
    private var sent: Int32 = 0, answered: Int32 = 0
    /// When the operations began that are not answered yet. Oldest first.
    private var underWay = CircularBuffer<NIODeadline>()

    init(_ load: Load) { self.load = load }

    func begin() {
        for _ in 0..<(load.options.isLoading ? 8 : 1) { sendNext(.now()) }
    }

    /// Sends the load's next operation. After the last one it ends the session.
    private func sendNext(_ now: NIODeadline) {
        if let path = load.nextPath(now) {
            underWay.append(now)
            send(load.options.requests, path)
        } else if underWay.isEmpty, state == .working {
            state = .closing
            send([.closeSession], [])
        }
    }

    private func send(_ requests: [RequestType], _ path: [UInt8]) {
        guard let context else { return }
        var buffer = context.channel.allocator.buffer(capacity: 256)
        for type in requests {
            sent &+= 1
            buffer.writeRequest(type, id: sent, path: path, value: load.options.value)
        }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    private func takeReply(_ frame: inout ByteBuffer, _ now: NIODeadline) throws {
        // The second is the last transaction that the server knows.
        guard let (id, _, error) = frame.readMultipleIntegers(as: (Int32, Int64, Int32).self),
            id == answered &+ 1, let start = underWay.first
        else { throw Failure(description: "that is not the reply to request \(answered &+ 1)") }
        answered = id
        guard error == 0 else { throw Failure(description: "ZooKeeper's error \(error)") }
        let requests = load.options.requests
        if Int(id) % requests.count > 0 { return }  // not the operation's last one
        if requests.last == .getData, frame.readInteger(as: Int32.self) != Int32(load.options.value.count) {
            throw Failure(description: "a value is not the one that was loaded")
        }
        underWay.removeFirst()
        load.done(since: start, now)
        sendNext(now)
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        var buffer = context.channel.allocator.buffer(capacity: 64)
        buffer.writeConnectRequest(timeout: 30_000)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        let now = NIODeadline.now()
        do {
            while var frame = try received.readFrame() {
                switch state {
                case .opening:
                    guard let (_, timeout) = frame.readMultipleIntegers(as: (Int32, Int32).self), timeout > 0 else {
                        throw Failure(description: "the session was refused")
                    }
                    state = .working
                    load.opened(self)
                case .working: try takeReply(&frame, now)
                case .closing: break
                }
            }
            received.discardReadBytes()
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    /// The server closes the connection when it has ended the session.
    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        state == .closing ? load.ended() : load.failed(Failure(description: "a connection was closed"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        load.failed(error)
        context.close(promise: nil)
    }
}
