import Glibc
import KVCore
import NIOCore
import NIOPosix

/// Takes answers out of bytes as they arrive.
protocol AnswerReader: Sendable {
    associatedtype Answer: Sendable
    mutating func feed(_ bytes: inout ByteBuffer)
    mutating func next() throws -> Answer?
}

/// Asks a node something on a connection of its own: for what happens seldom.
enum Inquiry {
    /// - Parameters:
    ///   - requests: so many requests, written one after the other.
    ///   - count: of answers that come.
    /// - Throws: `BenchError.unreachable`, or what the reader does not understand.
    static func ask<Reader: AnswerReader>(
        _ address: Address, _ requests: ByteBuffer, count: Int, timeout: Span, reader: Reader
    ) async throws -> [Reader.Answer] {
        let limit = TimeAmount.nanoseconds(Int64(clamping: timeout.nanoseconds))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: [Reader.Answer].self)
        do {
            let channel = try await ClientBootstrap(group: loop)
                .connectTimeout(limit)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            InquiryHandler(reader, count: count, promise: promise))
                    }
                }
                .connect(host: address.host, port: address.port).get()
            let alarm = loop.scheduleTask(in: limit) { promise.fail(BenchError.unreachable("no answer in time")) }
            channel.writeAndFlush(requests, promise: nil)
            defer {
                alarm.cancel()
                channel.close(promise: nil)
            }
            return try await promise.futureResult.get()
        } catch {
            promise.fail(error)
            throw BenchError.unreachable("\(address): \(reason(of: error))")
        }
    }
}

/// What to say of an error of a connection.
func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if let first = error.connectionErrors.first { return reason(of: first.error) }
        return "host not found"
    case let error as IOError: return String(cString: strerror(error.errnoCode))
    case ChannelError.connectTimeout: return "no connection in time"
    default: return "\(error)"
    }
}

private final class InquiryHandler<Reader: AnswerReader>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var reader: Reader
    private let count: Int
    private let promise: EventLoopPromise<[Reader.Answer]>
    private var answers: [Reader.Answer] = []

    init(_ reader: Reader, count: Int, promise: EventLoopPromise<[Reader.Answer]>) {
        self.reader = reader
        self.count = count
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        reader.feed(&bytes)
        do {
            while answers.count < count, let answer = try reader.next() { answers.append(answer) }
            if answers.count == count { promise.succeed(answers) }
        } catch {
            promise.fail(error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(BenchError.unreachable("the connection was closed"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }
}
