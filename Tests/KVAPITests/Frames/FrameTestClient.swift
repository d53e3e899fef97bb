import KVCore
import KVProtocol
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// A connection of the client protocol in memory to a fake node.
final class FrameTestClient {
    let channel: EmbeddedChannel
    let backend: FakeBackend
    let listener: FrameListener
    private var reader = FrameReader(limit: 1 << 28)
    private(set) var hello: NodeHello?

    convenience init(
        _ backend: FakeBackend = FakeBackend(), options: FrameOptions = FrameOptions(), replies: Int = 256 << 20,
        greets: Bool = true
    ) throws {
        let listener = FrameListener(
            backend: backend, options: options, budgets: ReplyBudgets(bytes: replies, loops: 1),
            wallClock: { FakeBackend.wall })
        try self.init(listener, backend, greets: greets)
    }

    /// Another connection of the same node.
    init(
        _ listener: FrameListener, _ backend: FakeBackend, on loop: EmbeddedEventLoop = EmbeddedEventLoop(),
        greets: Bool = true
    ) throws {
        channel = EmbeddedChannel(loop: loop)
        self.backend = backend
        self.listener = listener
        try listener.configure(channel)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 7400)).wait()
        guard greets else { return }
        var preface = ByteBuffer()
        Preface.writeClient(to: &preface)
        send(preface)
        pump()
        XCTAssertEqual(try reader.preface(Preface.readNode), 1)
        hello = try NodeHello(reading: try XCTUnwrap(reader.next()))
    }

    func send(_ bytes: ByteBuffer) {
        guard channel.isActive else { return }
        _ = try? channel.writeInbound(bytes)
    }

    /// Sends requests as one read.
    func send(_ frames: RequestFrame...) { send(frames) }

    func send(_ frames: [RequestFrame]) {
        var bytes = ByteBuffer()
        for frame in frames { frame.write(to: &bytes) }
        send(bytes)
    }

    private func pump() {
        channel.embeddedEventLoop.run()
        while let bytes = try? channel.readOutbound(as: ByteBuffer.self) { reader.append(bytes) }
    }

    /// The bytes that were sent to the client since the last call.
    func receivedBytes() -> [UInt8] {
        channel.embeddedEventLoop.run()
        var all: [UInt8] = []
        while let bytes = try? channel.readOutbound(as: ByteBuffer.self) { all += Array(bytes.readableBytesView) }
        return all
    }

    /// All answers that were sent to the client since the last call.
    func received() throws -> [AnswerFrame] {
        pump()
        var answers: [AnswerFrame] = []
        while let bytes = try reader.next() { answers.append(try AnswerFrame(reading: bytes)) }
        return answers
    }

    /// Sends one request, and gives what comes back for it.
    func exchange(_ operation: ClientOperation, key: String = "k", timeout: UInt32 = 0) throws -> AnswerFrame.Content {
        send(RequestFrame(number: 77, timeout: timeout, key: Key(key), operation: operation))
        let answers = try received()
        XCTAssertEqual(answers.map(\.number), [77])
        return answers.first?.content ?? .absent
    }

    func wait(_ time: TimeAmount) { channel.embeddedEventLoop.advanceTime(by: time) }

    var budget: ReplyBudget { listener.budgets.budget(of: channel.eventLoop) }

    var isOpen: Bool { channel.isActive }
}

func get(_ number: UInt32, _ key: String) -> RequestFrame {
    RequestFrame(number: number, timeout: 0, key: Key(key), operation: .get(.linearizable))
}
