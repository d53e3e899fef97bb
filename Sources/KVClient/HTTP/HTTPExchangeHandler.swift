import NIOCore
import NIOHTTP1

/// Carries out the exchanges written to it, one after the other, on one connection.
final class HTTPExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPExchange
    typealias OutboundOut = HTTPClientRequestPart

    private struct Pending {
        var exchange: HTTPExchange
        var timer: Scheduled<Void>
        var head: HTTPResponseHead?
        var body = ByteBuffer()
    }

    /// The one under way first; the others have not been sent.
    private var pending = CircularBuffer<Pending>()
    /// Set for good once the connection can carry no further exchange.
    private var isClosing = false

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        // Whoever writes knows by this promise whether the exchange's own will be kept.
        guard !isClosing, context.channel.isActive else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        promise?.succeed()
        let token = exchange.promise.futureResult
        let timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: exchange.deadline) {
            self.expire(token, context)
        }
        pending.append(Pending(exchange: exchange, timer: timer))
        if pending.count == 1 { send(exchange, context) }
    }

    private func send(_ exchange: HTTPExchange, _ context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        if let body = exchange.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func expire(_ token: EventLoopFuture<HTTPAnswer>, _ context: ChannelHandlerContext) {
        guard let index = pending.firstIndex(where: { $0.exchange.promise.futureResult === token }) else { return }
        if index == pending.startIndex {
            // Its answer would be taken for that of the next.
            close("no answer in time", context)
        } else {
            pending.remove(at: index).exchange.promise.fail(HTTPExchangeFailure.notSent("no answer in time"))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !pending.isEmpty else { return close("an answer to no request", context) }
        switch unwrapInboundIn(data) {
        case .head(let head):
            if !(100..<200).contains(head.status.code) { pending[pending.startIndex].head = head }
        case .body(var part):
            pending[pending.startIndex].body.writeBuffer(&part)
            if pending[pending.startIndex].body.readableBytes > HTTPAnswer.maximumBody {
                close("an answer of more than \(HTTPAnswer.maximumBody) bytes", context)
            }
        case .end:
            guard let head = pending[pending.startIndex].head else { return }
            let done = pending.removeFirst()
            done.timer.cancel()
            done.exchange.promise.succeed(HTTPAnswer(head: head, body: done.body))
            if !head.isKeepAlive {
                close("the server closed the connection", context)
            } else if let next = pending.first {
                send(next.exchange, context)
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close(reason(error), context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        fail("the connection was closed before the answer")
    }

    private func close(_ reason: String, _ context: ChannelHandlerContext) {
        fail(reason)
        context.close(promise: nil)
    }

    private func fail(_ reason: String) {
        isClosing = true
        for (index, pending) in pending.enumerated() {
            pending.timer.cancel()
            pending.exchange.promise.fail(
                index == 0 ? HTTPExchangeFailure.lost(reason) : HTTPExchangeFailure.notSent(reason))
        }
        pending.removeAll()
    }
}
