import KVCore
import NIOCore
import NIOEmbedded
import NIOPosix
import Synchronization
import XCTest

@testable import KVAPI

final class TaskChainTests: XCTestCase {
    /// Notes that a datagram has arrived.
    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        let arrived: @Sendable () -> Void
        init(_ arrived: @escaping @Sendable () -> Void) { self.arrived = arrived }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { arrived() }
    }

    /// Tasks that call for each other until input has come, or until there have been too many of them.
    private final class Tasks: Sendable {
        static let limit = 100_000
        private struct State {
            var chain = TaskChain()
            var tasks = 0
            var hasInput = false
        }
        private let state = Mutex(State())
        let loop: any EventLoop
        let ended: EventLoopPromise<Int>

        init(_ loop: any EventLoop) {
            self.loop = loop
            ended = loop.makePromise()
        }

        func input() { state.withLock { $0.hasInput = true } }

        func run() {
            let now = Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds)
            let end = state.withLock { state -> Int? in
                state.tasks += 1
                state.chain.begins(now: now)
                if state.hasInput || state.tasks == Self.limit { return state.tasks }
                state.chain.goOn(on: loop, now: now) { [self] in run() }
                return nil
            }
            if let end { ended.succeed(end) }
        }
    }

    /// With `loop.execute` alone, all of the 100,000 tasks run before the datagram is read.
    func testInputIsReadWhileTasksCallForEachOther() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let tasks = Tasks(group.next())
        let channel = try await DatagramBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener { tasks.input() })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try XCTUnwrap(channel.localAddress)
        let sent = tasks.loop.submit {
            // The datagram is there before the first task runs, and is read only when the loop looks for it.
            channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: address, data: ByteBuffer(string: "input")), promise: nil)
            tasks.run()
        }
        try await sent.get()
        let count = try await tasks.ended.futureResult.get()
        XCTAssertLessThan(count, Tasks.limit)
        try await channel.close()
        try await group.shutdownGracefully()
    }

    /// What input asks for runs in the same turn; only chains that last wait.
    func testOnlyAChainThatLastsIsInterrupted() {
        func ranAtOnce(isInput: Bool = false, after nanoseconds: UInt64) -> Bool {
            let loop = EmbeddedEventLoop()
            let hasRun = Mutex(false)
            var chain = TaskChain()
            chain.begins(now: Instant(nanoseconds: 1000))
            let task: @Sendable () -> Void = { hasRun.withLock { $0 = true } }
            if isInput {
                chain.begin(on: loop, task)
            } else {
                chain.goOn(on: loop, now: Instant(nanoseconds: 1000 + nanoseconds), task)
            }
            loop.run()
            let ranAtOnce = hasRun.withLock { $0 }
            loop.advanceTime(by: .milliseconds(1))
            XCTAssertTrue(hasRun.withLock { $0 })
            return ranAtOnce
        }
        let longest = TaskChain.longest.nanoseconds
        XCTAssertTrue(ranAtOnce(after: longest - 1))
        XCTAssertFalse(ranAtOnce(after: longest))
        XCTAssertTrue(ranAtOnce(isInput: true, after: longest * 2))
    }
}
