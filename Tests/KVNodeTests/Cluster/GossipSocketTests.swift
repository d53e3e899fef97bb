import KVCore
import Logging
import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

/// Tests datagrams between n1 and n2, over loopback.
final class GossipSocketTests: XCTestCase {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let message = GossipMessage(kind: .ping(sequence: 7), incarnation: 3, epoch: 2)

    func testMembersHearEachOtherWhateverTheirAddressIsWrittenAs() async throws {
        let (one, two) = (try await TestSocket(1, on: loop), try await TestSocket(2, on: loop))
        try await one.meet([2: Address(host: "localhost", port: two.port)])
        try await two.meet([1: Address(host: "127.0.0.1", port: one.port)])
        // A name takes a while to resolve, and what is sent until then is lost.
        var heard: TestSocket.Heard?
        for _ in 0..<500 where heard == nil {
            try await one.send(message, to: 2)
            try await Task.sleep(for: .milliseconds(10))
            heard = two.heard.rest.first
        }
        XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(1)))
        try await two.send(message, to: 1)
        let answer = try await one.heard.next()
        XCTAssertEqual(answer, TestSocket.Heard(message: message, from: NodeNumber(2)))
        await one.stop()
        await two.stop()
    }

    func testStrangersAndThoseWithoutTheSecretAreIgnoredAndNamed() async throws {
        let secret = "a secret of some length"
        let one = try await TestSocket(1, secret: secret, on: loop)
        let stranger = try await TestSocket(9, secret: secret, on: loop)
        let without = try await TestSocket(2, on: loop)
        let two = try await TestSocket(2, secret: secret, on: loop)
        let here = Address(host: "127.0.0.1", port: one.port)
        try await one.meet([2: Address(host: "127.0.0.1", port: two.port)])
        for socket in [stranger, without, two] { try await socket.meet([1: here]) }
        try await stranger.send(message, to: 1)
        try await without.send(message, to: 1)
        try await two.send(message, to: 1)
        let line = try await one.log.next()
        XCTAssertTrue(line.hasPrefix("warning: ignoring datagrams from 127.0.0.1: "), line)
        XCTAssertTrue(line.contains("give all nodes the same security.secret"), line)
        let heard = try await one.heard.next()
        XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(2)))
        XCTAssertEqual(one.heard.rest, [])
        for socket in [one, stranger, without, two] { await socket.stop() }
    }

    /// A route that is gone or a firewall's rule is one member's: the others are still reached.
    func testADatagramThatCannotBeSentIsOneMembersMisfortune() async throws {
        let (one, two) = (try await TestSocket(1, on: loop), try await TestSocket(2, on: loop))
        // The system refuses broadcasts to whom did not ask for them.
        try await one.meet([
            2: Address(host: "127.0.0.1", port: two.port), 3: Address(host: "255.255.255.255", port: 9),
        ])
        try await two.meet([1: Address(host: "127.0.0.1", port: one.port)])
        for _ in 0..<3 {
            try await one.send(message, to: 3)
            try await one.send(message, to: 2)
            let heard = try await two.heard.next()
            XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(1)))
        }
        let line = try await one.log.next()
        XCTAssertEqual(
            line,
            "warning: cannot send datagrams to n3 at 255.255.255.255:9 (UDP): Permission denied; trying again")
        XCTAssertEqual(one.log.rest, [], "said once")
        XCTAssertEqual(one.obstacles.rest, [], "the socket is well")
        await one.stop()
        await two.stop()
    }

    func testASocketThatClosesByItselfIsOpenedAgainAtItsPort() async throws {
        let (one, two) = (try await TestSocket(1, on: loop), try await TestSocket(2, on: loop))
        try await one.meet([2: Address(host: "127.0.0.1", port: two.port)])
        try await two.meet([1: Address(host: "127.0.0.1", port: one.port)])
        for _ in 0..<2 {
            try await two.breakDown()
            let obstacle = try await two.obstacles.next()
            XCTAssertEqual(obstacle?.contains("has closed; it is being opened again"), true, obstacle ?? "none")
            let line = try await two.log.next()
            XCTAssertTrue(line.hasPrefix("warning: the socket of failure detection on "), line)
            // A datagram that is sent meanwhile is lost, and does no harm.
            try await two.send(message, to: 1)
            let over = try await two.obstacles.next()
            XCTAssertNil(over)
            try await one.send(message, to: 2)
            let heard = try await two.heard.next()
            XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(1)))
        }
        await one.stop()
        await two.stop()
    }

    func testOneThatListensToEveryAddressReachesThoseOfBothFamilies() async throws {
        let any = try await TestSocket(1, host: "::", on: loop)
        let four = try await TestSocket(2, on: loop)
        let six = try await TestSocket(3, host: "::1", on: loop)
        try await any.meet([
            2: Address(host: "127.0.0.1", port: four.port), 3: Address(host: "::1", port: six.port),
        ])
        for socket in [four, six] { try await socket.meet([1: Address(host: "::1", port: any.port)]) }
        for (number, socket) in [(UInt16(2), four), (3, six)] {
            try await any.send(message, to: number)
            let heard = try await socket.heard.next()
            XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(1)))
        }
        try await four.meet([1: Address(host: "127.0.0.1", port: any.port)])
        try await four.send(message, to: 1)
        let heard = try await any.heard.next()
        XCTAssertEqual(heard, TestSocket.Heard(message: message, from: NodeNumber(2)))

        try await four.meet([3: Address(host: "::1", port: six.port)])
        try await four.send(message, to: 3)
        let line = try await four.log.next()
        XCTAssertTrue(
            line.contains("cannot send datagrams to n3 at [::1]:\(six.port) (UDP): this node's peer address"), line)
        for socket in [any, four, six] { await socket.stop() }
    }

    func testAPortInUseIsAnErrorThatSaysSo() async throws {
        let one = try await TestSocket(1, on: loop)
        do {
            _ = try await TestSocket(2, port: one.port, on: loop)
            XCTFail("two sockets on one port")
        } catch let error as NodeError {
            XCTAssertEqual(
                "\(error)",
                """
                cannot receive the failure detector's datagrams on 127.0.0.1:\(one.port) (UDP): Address already in \
                use; stop what uses the address, or give this node another peer address
                """)
        }
        await one.stop()
    }
}

private final class TestSocket: Sendable {
    struct Heard: Hashable, Sendable {
        var message: GossipMessage
        var from: NodeNumber
    }

    let heard = Mailbox<Heard>()
    let obstacles = Mailbox<String?>()
    let log: Mailbox<String>
    let port: Int
    private let socket: GossipSocket
    private let loop: any EventLoop
    private let pool = NIOThreadPool(numberOfThreads: 1)

    init(
        _ number: UInt16, host: String = "127.0.0.1", port: Int = 0, secret: String? = nil, on loop: any EventLoop
    ) async throws {
        let (logger, log) = CapturedLog.logger()
        self.log = log
        self.loop = loop
        pool.start()
        do {
            socket = try await GossipSocket.open(
                on: Address(host: host, port: port), loop: loop, clusterID: UUID128(high: 0, low: 1),
                me: NodeNumber(number), secret: secret, pool: pool, reasons: ReasonLog(logger: logger))
        } catch {
            try await pool.shutdownGracefully()
            throw error
        }
        self.port = try XCTUnwrap(socket.port)
        try await loop.submit { [socket, heard, obstacles] in
            socket.start(onObstacle: { obstacles.put($0) }) { heard.put(Heard(message: $0, from: $1)) }
        }.get()
    }

    func meet(_ addresses: [UInt16: Address]) async throws {
        try await loop.submit { [socket] in
            socket.setMembers(
                addresses.map { number, address in
                    var member = member(number)
                    member.peer = address
                    return member
                }, now: Clock.monotonic)
        }.get()
    }

    func send(_ message: GossipMessage, to number: UInt16) async throws {
        try await loop.submit { [socket] in socket.send(message, to: NodeNumber(number)) }.get()
    }

    /// Closes the socket as the system would.
    func breakDown() async throws {
        try await loop.flatSubmit { [socket, loop] in socket.socket?.channel.close() ?? loop.makeSucceededVoidFuture() }
            .get()
    }

    func stop() async {
        try? await loop.submit { [socket] in socket.stop() }.get()
        try? await pool.shutdownGracefully()
    }
}
