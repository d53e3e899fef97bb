import Dispatch
import KVCore
import KVWire
import NIOCore
import NIOPosix
import Synchronization
import XCTest

@testable import KVNode

final class PeerServerTests: XCTestCase {
    func testBothSidesLogARefusalOnce() async throws {
        let attempts = Mailbox<Int>()
        let server = try await TestServer(
            policy: policy(2) {
                $0.storeObjection = { _, _ in
                    attempts.put(1)
                    return "wrong store"
                }
            })
        let port = try server.port()
        let link = try await TestLink(to: member(2, port: port), policy: policy(1))
        for _ in 0..<4 { _ = try await attempts.next() }
        try await link.stop()
        await server.stop()
        XCTAssertEqual(server.log.rest, ["warning: refused a connection from n1: wrong store"])
        XCTAssertEqual(
            link.log.rest, ["warning: no connection to n2 at 127.0.0.1:\(port): it refused: wrong store"])
        XCTAssertEqual(link.events.rest, [])
        XCTAssertEqual(server.deliveries.rest, [])
    }

    /// Another thread writes to the disk what has to be remembered of a peer, so a disk that hangs blocks no event
    /// loop.
    func testADiskThatHangsHoldsUpNoLoop() async throws {
        let (gate, asked) = (DispatchSemaphore(value: 0), Mailbox<String>())
        func slow(_ number: UInt16) -> PeerPolicy {
            policy(number) { policy in
                policy.blocks = { _ in true }
                policy.startObjection = { peer in
                    asked.put(peer.nodeID)
                    gate.wait()
                    return peer.boot == 10 ? nil : Objection(.outdatedStore, "old")
                }
            }
        }
        let server = try await TestServer(policy: slow(2))
        let port = try server.port()
        let link = try await TestLink(to: member(2, port: port), policy: policy(1))
        let refused = try await RawConnection(port: port)
        var introduction = policy(1).introduction
        introduction.boot = 7
        try await refused.send(try Handshake.hello(introduction, shard: ShardPosition(index: 0, count: 1)).frame())
        for _ in 0..<2 { _ = try await asked.next() }
        // All loops turn meanwhile.
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() { try await loop.submit {}.get() }
        XCTAssertEqual(link.events.rest, [])
        for _ in 0..<2 { gate.signal() }
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 20))
        let answer = try await refused.answer()
        XCTAssertEqual(answer, .refusal(HandshakeRefusal(.outdatedStore, "old")))
        try await link.stop()

        // The other side writes down as well.
        let other = try await TestLink(to: member(2, port: port), policy: slow(1))
        _ = try await asked.next()
        gate.signal()
        _ = try await asked.next()
        try await other.on { $0.send(.node(.usageReport(PartitionUsage()))) }
        XCTAssertEqual(other.events.rest, [], "it is not up before that")
        gate.signal()
        let line = try await other.log.next()
        XCTAssertEqual(line, "warning: no connection to n2 at 127.0.0.1:\(port): old")
        // One that is stopped meanwhile stays stopped.
        for _ in 0..<2 { gate.signal() }
        try await other.stop()
        for _ in 0..<100 { gate.signal() }
        await server.stop()
    }

    func testTheRefusalTellsTheOtherSideWhy() async throws {
        let server = try await TestServer(policy: policy(2))
        let cases: [(inout Introduction) -> Void] = [
            { $0.clusterName = "prod" },
            { $0.clusterID = UUID128(high: 9, low: 9) },
            { $0.agreement[1].value = "5" },
            { $0.node = NodeNumber(2) },
            { $0.node = NodeNumber(9) },
            { $0.store = UUID128(high: 9, low: 9) },
        ]
        for change in cases {
            var introduction = policy(1).introduction
            change(&introduction)
            let connection = try await RawConnection(port: server.port())
            try await connection.send(
                try Handshake.hello(introduction, shard: ShardPosition(index: 0, count: 1)).frame())
            let answer = try await connection.answer()
            let objection = try XCTUnwrap(policy(2).objection(to: introduction))
            let expected = objection.text
            XCTAssertEqual(answer, .refusal(HandshakeRefusal(objection.code, expected)))
            try await connection.end()
            let line = try await server.log.next()
            XCTAssertEqual(line, "warning: refused a connection from n1: \(expected)")
        }
        await server.stop()
    }

    func testAnotherVersionIsRefused() async throws {
        let server = try await TestServer(policy: policy(2))
        var later = try hello(1)
        later.setInteger(Handshake.protocolVersion + 1, at: FrameLimits.header + 6, endianness: .little)
        let connection = try await RawConnection(port: server.port())
        try await connection.send(sealed(later))
        let answer = try await connection.answer()
        XCTAssertEqual(
            answer,
            .refusal(
                HandshakeRefusal(
                    .unspecified,
                    """
                    it speaks version \(Handshake.protocolVersion + 1) of the peer protocol, this node version \
                    \(Handshake.protocolVersion); \
                    run the same version of kv on all nodes, or versions that can work together
                    """)))
        try await connection.end()
        await server.stop()
    }

    func testTheVersionBeforeIsAnsweredInItself() async throws {
        let server = try await TestServer(policy: policy(2) { $0.introduction.starts = [.init(boot: 20, nonce: 7)] })
        let connection = try await RawConnection(port: server.port())
        try await connection.send(said(policy(1).introduction.spoken(3)))
        guard case .welcome(let introduction) = try await connection.answer() else { return XCTFail("not let in") }
        XCTAssertEqual(introduction, policy(2).introduction.spoken(3))
        await server.stop()
        try await connection.end()
    }

    /// Nothing whole comes while a long message does, and its sender is there all the same.
    func testALongMessageIsToldOfWhileItArrives() async throws {
        let server = try await TestServer(policy: policy(2))
        let connection = try await admitted(to: server)
        let message = PeerMessage.replica(
            PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: .zero),
            .accept(key: Key("k"), record: Record(version: .zero, value: [UInt8](repeating: 7, count: 2_000_000))))
        var bytes = try frame(message)
        for _ in 0..<3 {
            let piece = try XCTUnwrap(bytes.readSlice(length: 500_000))
            try await connection.send(piece)
            let from = try await server.readings.next()
            XCTAssertEqual(from, NodeNumber(1))
            try await Task.sleep(for: .milliseconds(150))
        }
        try await connection.send(bytes)
        let messages = try await server.messages(1)
        XCTAssertEqual(messages, [message])
        await server.stop()
    }

    // MARK: Two processes of one store

    /// Another process of the same store, with the next boot counter.
    private func successor() -> Introduction { policy(1) { $0.introduction.boot += 1 }.introduction }

    /// A connection of n1 that has been let in.
    private func admitted(to server: TestServer) async throws -> RawConnection {
        let connection = try await RawConnection(port: server.port())
        try await connection.send(said(policy(1).introduction))
        guard case .welcome = try await connection.answer() else { throw NotLetIn() }
        return connection
    }

    private struct NotLetIn: Error {}

    private func said(_ introduction: Introduction) throws -> ByteBuffer {
        try Handshake.hello(introduction, shard: ShardPosition(index: 0, count: 1)).frame()
    }

    func testASecondProcessIsRefusedWhileTheFirstSpeaks() async throws {
        let server = try await TestServer(policy: policy(2))
        let first = try await admitted(to: server)
        let second = try await RawConnection(port: server.port())
        try await second.send(said(successor()))
        for _ in 0..<15 {
            try await Task.sleep(for: .milliseconds(300))
            try await first.send(frame(.shards(.outdated(epoch: 5))))
        }
        guard case .refusal(let refusal) = try await second.answer() else { return XCTFail("let in") }
        XCTAssertEqual(refusal.code, .secondProcess)
        XCTAssertTrue(refusal.text.hasPrefix("n1 runs already and is in touch with n2"), refusal.text)
        let heard = try await server.messages(1)
        XCTAssertEqual(heard, [.shards(.outdated(epoch: 5))], "the first stays")
        await server.stop()
    }

    func testASecondProcessIsLetInWhenTheFirstHasGone() async throws {
        let server = try await TestServer(policy: policy(2))
        let first = try await admitted(to: server)
        let second = try await RawConnection(port: server.port())
        let began = ContinuousClock.now
        try await second.send(said(successor()))
        try await first.channel.close()
        guard case .welcome = try await second.answer() else { return XCTFail("not let in") }
        XCTAssertLessThan(ContinuousClock.now - began, .seconds(1), "no longer than it takes to notice")
        await server.stop()
    }

    /// Messages that a process sent before it ended may be read a while later.
    func testASecondProcessIsLetInWhenTheFirstHasFallenSilent() async throws {
        let server = try await TestServer(policy: policy(2))
        let first = try await admitted(to: server)
        let second = try await RawConnection(port: server.port())
        try await second.send(said(successor()))
        for _ in 0..<4 {
            try await Task.sleep(for: .milliseconds(200))
            try await first.send(frame(.shards(.outdated(epoch: 5))))
        }
        guard case .welcome = try await second.answer() else { return XCTFail("not let in") }
        try await first.end()
        await server.stop()
    }

    func testASecondProcessIsLetInWhenTheFirstIsSilent() async throws {
        let server = try await TestServer(policy: policy(2))
        let first = try await admitted(to: server)
        let second = try await RawConnection(port: server.port())
        try await second.send(said(successor()))
        guard case .welcome = try await second.answer() else { return XCTFail("not let in") }
        try await first.end()
        await server.stop()
    }

    func testStrangersAreTurnedAwayAndPeersServed() async throws {
        let server = try await TestServer(policy: policy(2))
        for bytes in [
            ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"), ByteBuffer(bytes: [0, 0, 0, 0, 0, 0, 0, 0]),
            try frame(.shards(.outdated(epoch: 1))), try Handshake.welcome(policy(1).introduction).frame(),
        ] {
            let connection = try await RawConnection(port: server.port())
            try await connection.send(bytes)
            try await connection.end()
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            // Without zeros, so that the length is above the limit: of a shorter frame the rest would be awaited.
            let garbage = (0..<64).map { _ in UInt8.random(in: 1...255, using: &random) }
            let connection = try await RawConnection(port: server.port())
            try await connection.send(ByteBuffer(bytes: garbage))
            try await connection.end()
        }
        let good = try await RawConnection(port: server.port())
        try await good.send(try hello(1))
        guard case .welcome(var answer) = try await good.answer() else { return XCTFail("not welcome") }
        XCTAssertLessThanOrEqual(answer.wall, Clock.machineWall, "it tells what its clock shows")
        XCTAssertGreaterThan(answer.wall + 60_000, Clock.machineWall)
        answer.wall = 0
        XCTAssertEqual(answer, policy(2).introduction)
        try await good.send(try frame(.shards(.outdated(epoch: 7))))
        let delivery = try await server.deliveries.next()
        XCTAssertEqual(delivery, .init(from: NodeNumber(1), messages: [.shards(.outdated(epoch: 7))]))
        await server.stop()
        try await good.end()
    }

    func testADamagedFrameEndsTheConnectionAndNothingOfItIsDelivered() async throws {
        let server = try await TestServer(policy: policy(2))
        let connection = try await RawConnection(port: server.port())
        var bytes = try hello(1)
        bytes.writeImmutableBuffer(try frame(.shards(.outdated(epoch: 1)), .shards(.outdated(epoch: 2))))
        var damaged = try frame(.shards(.outdated(epoch: 3)), .shards(.outdated(epoch: 4)))
        damaged.setInteger(UInt8(9), at: damaged.writerIndex - 1)
        bytes.writeImmutableBuffer(damaged)
        bytes.writeImmutableBuffer(try frame(.shards(.outdated(epoch: 5))))
        try await connection.send(bytes)
        try await connection.end()
        let delivery = try await server.deliveries.next()
        XCTAssertEqual(delivery.messages, [.shards(.outdated(epoch: 1)), .shards(.outdated(epoch: 2))])
        let line = try await server.log.next()
        XCTAssertTrue(line.hasPrefix("warning: closing the connection from n1: checksum "), line)
        await server.stop()
        XCTAssertEqual(server.deliveries.rest, [])
    }

    func testAFrameThatDoesNotDecodeIsNotDeliveredInPart() async throws {
        let server = try await TestServer(policy: policy(2))
        let connection = try await RawConnection(port: server.port())
        var unknown = try frame(.shards(.outdated(epoch: 3)), .shards(.outdated(epoch: 4)))
        unknown.setInteger(UInt8(99), at: unknown.writerIndex - 2)
        var bytes = try hello(1)
        bytes.writeImmutableBuffer(sealed(unknown))
        try await connection.send(bytes)
        try await connection.end()
        let line = try await server.log.next()
        XCTAssertTrue(line.hasPrefix("warning: closing the connection from n1: unknown message type 99; if "), line)
        await server.stop()
        XCTAssertEqual(server.deliveries.rest, [])
    }

    func testWhoDoesNotIntroduceItselfInTimeIsTurnedAway() async throws {
        var options = PeerLinkOptions.forTests()
        options.handshakeTimeout = .milliseconds(20)
        let server = try await TestServer(policy: policy(2), options: options)
        let connection = try await RawConnection(port: server.port())
        let answer = try await connection.answer()
        XCTAssertEqual(answer, .refusal(HandshakeRefusal(.unspecified, "it did not introduce itself in time")))
        try await connection.end()
        await server.stop()
    }

    func testOnlySoManyMayBeWithoutAHandshake() async throws {
        var options = PeerLinkOptions.forTests()
        options.pendingLimit = 2
        let server = try await TestServer(policy: policy(2), options: options)
        // A peer that has introduced itself counts no more.
        let peer = try await RawConnection(port: server.port())
        try await peer.send(try hello(1))
        _ = try await peer.answer()

        // Whichever of these the server sees last is one too many.
        var strangers: [RawConnection] = []
        for _ in 0..<3 { strangers.append(try await RawConnection(port: server.port())) }
        let line = try await server.log.next()
        XCTAssertTrue(
            line.hasPrefix("warning: more than 2 connections to the peer port have not introduced themselves"), line)
        await server.stop()
        for stranger in strangers { try await stranger.end() }
        try await peer.end()
    }

    func testANewConnectionOfAShardReplacesTheOld() async throws {
        let server = try await TestServer(policy: policy(2))
        let old = try await RawConnection(port: server.port())
        try await old.send(try hello(1, shard: 0))
        _ = try await old.answer()
        let other = try await RawConnection(port: server.port())
        try await other.send(try hello(1, shard: 1))
        _ = try await other.answer()
        let new = try await RawConnection(port: server.port())
        try await new.send(try hello(1, shard: 0))
        _ = try await new.answer()
        try await old.end()
        for (connection, epoch) in [(other, Epoch(1)), (new, 2)] {
            try await connection.send(try frame(.shards(.outdated(epoch: epoch))))
            let messages = try await server.messages(1)
            XCTAssertEqual(messages, [.shards(.outdated(epoch: epoch))])
        }
        await server.stop()
    }

    func testAnAddressInUseIsAnErrorThatSaysSo() async throws {
        let server = try await TestServer(policy: policy(2))
        let port = try server.port()
        do {
            _ = try await TestServer(policy: policy(3), port: port)
            XCTFail("two servers on one port")
        } catch let error as PeerServerError {
            XCTAssertEqual(
                "\(error)",
                """
                cannot listen for peers on 127.0.0.1:\(port): Address already in use; stop what uses the address, or \
                give this node another peer address under nodes: in the configuration
                """)
        }
        await server.stop()
    }

    /// The one frame in `buffer`, with the checksum that belongs to it.
    private func sealed(_ buffer: ByteBuffer) -> ByteBuffer {
        var buffer = buffer
        buffer.setInteger(
            crc32c(buffer.readableBytesView.dropFirst(8)), at: buffer.readerIndex + 4, endianness: .little)
        return buffer
    }
}

private func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in
        (0..<8).reduce(crc ^ UInt32(byte)) { rest, _ in rest >> 1 ^ (rest & 1 == 1 ? 0x82f6_3b78 : 0) }
    }
}
