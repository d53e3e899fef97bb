import KVCore
import KVWire
import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

/// Answers as a node does that knows version 3 of the protocol and no later one.
private final class OldServer: Sendable {
    /// The versions of the handshakes that have come.
    let versions = Mailbox<UInt16>()
    let port: Int
    private let channel: any Channel

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let versions: Mailbox<UInt16>
        private let introduction: Introduction

        init(_ versions: Mailbox<UInt16>, _ introduction: Introduction) {
            self.versions = versions
            self.introduction = introduction
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            let place = bytes.readerIndex + FrameLimits.header + 6
            guard let version = bytes.getInteger(at: place, endianness: .little, as: UInt16.self) else { return }
            versions.put(version)
            let isKnown = version == 3
            let refusal = Handshake.refusal(HandshakeRefusal(.unspecified, "another version", version: 3))
            let answer = try? isKnown ? Handshake.welcome(introduction).frame() : refusal.frame(refusingIn: 3)
            guard let answer else { return }
            let channel = context.channel
            channel.writeAndFlush(answer).whenComplete { _ in if !isKnown { channel.close(promise: nil) } }
        }
    }

    init(introduction: Introduction) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { [versions] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(versions, introduction))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = try XCTUnwrap(channel.localAddress?.port)
    }

    func stop() async throws { try await channel.close() }
}

final class PeerLinkTests: XCTestCase {
    func testMessagesArriveInOrderFromWhoSentThem() async throws {
        let server = try await TestServer(policy: policy(2))
        let link = try await TestLink(to: member(2, port: server.port()), policy: policy(1))
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))

        let sent = (1...1000).map { PeerMessage.shards(.outdated(epoch: $0)) }
        try await link.on { link in
            for (index, message) in sent.enumerated() {
                if index.isMultiple(of: 2) { link.send(message) } else { link.send(EncodedMessage(message)) }
                if index % 100 == 99 { link.flush() }
            }
        }
        let first = try await server.deliveries.next()
        XCTAssertEqual(first.from, NodeNumber(1))
        let rest = first.messages.count < 1000 ? try await server.messages(1000 - first.messages.count) : []
        XCTAssertEqual(first.messages + rest, sent)
        let dropped = try await link.on { $0.dropped }
        XCTAssertEqual(dropped, 0)

        try await link.stop()
        let down = try await link.events.next()
        XCTAssertEqual(down, .down("this node is stopping"))
        await server.stop()
    }

    func testALargeValueArrives() async throws {
        let server = try await TestServer(policy: policy(2))
        let link = try await TestLink(to: member(2, port: server.port()), policy: policy(1))
        _ = try await link.events.next()
        let value = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let message = PeerMessage.replica(
            PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: .zero),
            .accept(key: Key("k"), record: Record(version: .zero, value: value)))
        try await link.on { link in
            link.send(message)
            link.flush()
        }
        let received = try await server.messages(1)
        XCTAssertEqual(received, [message])
        try await link.stop()
        await server.stop()
    }

    /// The other side is of the version before: it refuses the hello, with its version in front, and understands the
    /// next.
    func testAnOlderPeerIsSpokenToInItsVersion() async throws {
        let old = try await OldServer(introduction: policy(2).introduction.spoken(3))
        let link = try await TestLink(to: member(2, port: old.port), policy: policy(1))
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        let versions = [try await old.versions.next(), try await old.versions.next()]
        XCTAssertEqual(versions, [Handshake.protocolVersion, 3])
        try await link.stop()
        try await old.stop()
    }

    func testANameIsResolved() async throws {
        let server = try await TestServer(policy: policy(2))
        let link = try await TestLink(to: member(2, host: "localhost", port: server.port()), policy: policy(1))
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        try await link.stop()
        await server.stop()
    }

    func testItConnectsAgainToAPeerThatWasRestarted() async throws {
        let first = try await TestServer(policy: policy(2))
        let port = try first.port()
        let link = try await TestLink(to: member(2, port: port), policy: policy(1))
        _ = try await link.events.next()
        await first.stop()
        let down = try await link.events.next()
        XCTAssertEqual(down, .down("it closed the connection"))

        let second = try await TestServer(policy: policy(2) { $0.introduction.boot = 21 }, port: port)
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 21))
        try await link.on { link in
            link.send(.shards(.outdated(epoch: 2)))
            link.flush()
        }
        let messages = try await second.messages(1)
        XCTAssertEqual(messages, [.shards(.outdated(epoch: 2))])
        try await link.stop()
        await second.stop()
    }

    func testAPeerKnownToBeThereIsNotWaitedFor() async throws {
        let gone = try await TestServer(policy: policy(2))
        let port = try gone.port()
        await gone.stop()
        var options = PeerLinkOptions()
        options.minimumBackoff = .milliseconds(60_000)
        options.maximumBackoff = .milliseconds(60_000)
        let link = try await TestLink(to: member(2, port: port), policy: policy(1), options: options)
        _ = try await link.log.next()

        let server = try await TestServer(policy: policy(2), port: port)
        try await link.on { $0.reconnectNow() }
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        let peer = try await server.peers.next()
        XCTAssertEqual(peer, NodeNumber(1))
        try await link.on { $0.reconnectNow() }
        let isUp = try await link.on { $0.isUp }
        XCTAssertTrue(isUp, "a link that is up is left alone")
        try await link.stop()
        await server.stop()
    }

    func testALinkThatIsRenewedBeginsAnewWithoutWhatWasQueued() async throws {
        let server = try await TestServer(policy: policy(2))
        let link = try await TestLink(to: member(2, port: server.port()), policy: policy(1))
        _ = try await link.events.next()
        try await link.on { link in
            link.send(.shards(.outdated(epoch: 1)))
            link.renew("it does not answer")
            link.renew("once is enough")
            XCTAssertFalse(link.isUp)
        }
        let down = try await link.events.next()
        XCTAssertEqual(down, .down("it does not answer"))
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        try await link.on { link in
            link.send(.shards(.outdated(epoch: 2)))
            link.flush()
        }
        let messages = try await server.messages(1)
        XCTAssertEqual(messages, [.shards(.outdated(epoch: 2))])
        try await link.stop()
        await server.stop()
    }

    func testWhatIsSentWithoutAConnectionIsDropped() async throws {
        let gone = try await TestServer(policy: policy(2))
        let port = try gone.port()
        await gone.stop()
        let link = try await TestLink(to: member(2, port: port), policy: policy(1))
        try await link.on { link in
            for _ in 0..<3 { link.send(.shards(.outdated(epoch: 1))) }
            link.flush()
            XCTAssertEqual(link.dropped, 3)
            XCTAssertFalse(link.isUp)
            XCTAssertEqual(link.queuedBytes, 0)
        }
        let line = try await link.log.next()
        XCTAssertEqual(
            line, "warning: cannot reach n2 at 127.0.0.1:\(port): Connection refused; trying again until it answers")

        let server = try await TestServer(policy: policy(2), port: port)
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        try await link.on { link in
            link.send(.shards(.outdated(epoch: 9)))
            link.flush()
        }
        let messages = try await server.messages(1)
        XCTAssertEqual(messages, [.shards(.outdated(epoch: 9))], "what was dropped does not come later")
        try await link.stop()
        await server.stop()
    }

    /// A peer that welcomes, and reads no more.
    private func deafPeer() async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let welcome = try Handshake.welcome(policy(2).introduction).frame()
                    channel.writeAndFlush(welcome, promise: nil)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func testAPeerThatDoesNotReadFillsTheQueueUpToItsLimit() async throws {
        let listener = try await deafPeer()
        var options = PeerLinkOptions.forTests()
        options.queueLimit = 1 << 20
        options.minimumBackoff = .milliseconds(60_000)
        options.maximumBackoff = .milliseconds(60_000)
        let port = try XCTUnwrap(listener.localAddress?.port)
        let link = try await TestLink(to: member(2, port: port), policy: policy(1), options: options)
        _ = try await link.events.next()

        let message = PeerMessage.replica(
            PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: .zero),
            .accept(key: Key("k"), record: Record(version: .zero, value: [UInt8](repeating: 1, count: 100_000))))
        try await link.on { link in
            // The kernel takes some megabytes, too.
            for _ in 0..<5000 where link.isUp {
                link.send(message)
                link.flush()
                XCTAssertLessThan(link.queuedBytes, (1 << 20) + 110_000)
            }
            XCTAssertFalse(link.isUp)
            XCTAssertEqual(link.dropped, 1)
            link.send(message)
            XCTAssertEqual(link.dropped, 2)
        }
        guard case .down(let reason) = try await link.events.next() else { return XCTFail("still up") }
        XCTAssertTrue(reason.hasSuffix("bytes wait for n2, which does not take them (the limit is 1048576)"), reason)
        try await link.stop()
        try await listener.close()
    }

    /// How many values others ask for at a time is theirs to say. Where they do not take them, reads are refused, and
    /// the connection stays.
    func testValuesThatAPeerAsksForAndDoesNotTakeAreRefused() async throws {
        let options = {
            var options = PeerLinkOptions.forTests()
            options.queueLimit = 64 << 20
            options.valueLimit = 1 << 20
            return options
        }()
        let listener = try await deafPeer()
        let port = try XCTUnwrap(listener.localAddress?.port)
        let link = try await TestLink(to: member(2, port: port), policy: policy(1), options: options)
        _ = try await link.events.next()
        let record = Record(version: .zero, value: [UInt8](repeating: 1, count: 100_000))
        let header = PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: .zero)
        let values: [PeerMessage] = [
            .reply(RequestID(1), .forwarded(.outcome(.found(record)))), .reply(RequestID(2), .quorumReadReply(record)),
            .replica(header, .readResult(id: 3, key: Key("k"), record: record)),
        ]
        try await link.on { link in
            // The kernel takes some megabytes, too.
            for turn in 0..<2000 {
                link.send(values[turn % values.count])
                link.flush()
                XCTAssertLessThan(link.queuedBytes, (1 << 20) + 110_000)
            }
            XCTAssertTrue(link.isUp)
            XCTAssertGreaterThan(link.dropped, 1000)
            // Small messages, and values that nobody has asked for, still find room.
            let before = link.dropped
            link.send(.reply(RequestID(4), .forwarded(.outcome(.absent))))
            link.send(.replica(header, .accept(key: Key("k"), record: record)))
            XCTAssertEqual(link.dropped, before)
        }
        try await link.stop()
        try await listener.close()
    }

    func testAPeerThatDoesNotAnswerTheHandshakeIsGivenUp() async throws {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        var options = PeerLinkOptions.forTests()
        options.handshakeTimeout = .milliseconds(30)
        let port = try XCTUnwrap(listener.localAddress?.port)
        let link = try await TestLink(to: member(2, port: port), policy: policy(1), options: options)
        let line = try await link.log.next()
        XCTAssertEqual(
            line, "warning: no connection to n2 at 127.0.0.1:\(port): no answer to the handshake in time")
        try await link.stop()
        XCTAssertEqual(link.events.rest, [], "it was never up")
        try await listener.close()
    }

    func testAnotherNodeAtThePeersAddressIsNotSpokenTo() async throws {
        let server = try await TestServer(policy: policy(3))
        let port = try server.port()
        let link = try await TestLink(to: member(2, port: port), policy: policy(1))
        let line = try await link.log.next()
        XCTAssertEqual(
            line,
            "warning: no connection to n2 at 127.0.0.1:\(port): the peer address of n2, 127.0.0.1:\(port), is answered "
                + "by n3; correct the peer addresses under nodes: in the configuration of every node, and start them again"
        )
        try await link.stop()
        XCTAssertEqual(link.events.rest, [])
        await server.stop()
    }

    func testTheBackoffDoublesUpToItsMaximumAndVaries() {
        let options = PeerLinkOptions()
        var random = SystemRandomNumberGenerator()
        for (failures, full) in [(0, 50), (1, 50), (2, 100), (3, 200), (6, 1600), (7, 2000), (1_000_000, 2000)] {
            for _ in 0..<50 {
                let pause = options.backoff(failures: failures, using: &random)
                XCTAssertLessThanOrEqual(pause, .milliseconds(UInt64(full)))
                XCTAssertGreaterThanOrEqual(pause, .milliseconds(UInt64(full) / 2))
            }
        }
        let pauses = Set((0..<20).map { _ in options.backoff(failures: 7, using: &random) })
        XCTAssertGreaterThan(pauses.count, 1)
    }
}
