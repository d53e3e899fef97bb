import KVCore
import KVWire
import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

/// The links of n1, as members come, move and go.
final class PeerLinksTests: XCTestCase {
    func testNewMembersAreLinkedToAndRemovedOnesToldAndLet() async throws {
        let second = try await TestServer(policy: policy(2))
        let third = try await TestServer(policy: policy(3))
        let links = try await TestLinks()
        try await links.adopt(members(try [2: second.port()]))
        let up = try await links.events.next()
        XCTAssertEqual(up, .up(NodeNumber(2), epoch: 1))

        try await links.adopt(members(try [2: second.port(), 3: third.port()]))
        let another = try await links.events.next()
        XCTAssertEqual(another, .up(NodeNumber(3), epoch: 1))

        let farewell = PeerMessage.shards(.outdated(epoch: 9))
        let removed = try await links.adopt(members(try [3: third.port()]), farewell: farewell)
        XCTAssertEqual(removed, [NodeNumber(2)])
        let last = try await second.messages(1)
        XCTAssertEqual(last, [farewell])
        let peers = try await links.on { Array($0.peers) }
        XCTAssertEqual(peers, [NodeNumber(3)])
        try await links.stop()
        await second.stop()
        await third.stop()
    }

    func testALinkFollowsItsMemberToAnotherAddress() async throws {
        let old = try await TestServer(policy: policy(2))
        let new = try await TestServer(policy: policy(2) { $0.introduction.epoch = 2 })
        let links = try await TestLinks()
        try await links.adopt(members(try [2: old.port()]))
        _ = try await links.events.next()
        try await links.adopt(members(try [2: new.port()]))
        let down = try await links.events.next()
        XCTAssertEqual(down, .down(NodeNumber(2)))
        let up = try await links.events.next()
        XCTAssertEqual(up, .up(NodeNumber(2), epoch: 2))
        try await links.on { links in
            for peer in links.peers { links[peer]?.send(.shards(.outdated(epoch: 1))) }
            links.flush()
        }
        let messages = try await new.messages(1)
        XCTAssertEqual(messages, [.shards(.outdated(epoch: 1))])
        try await links.stop()
        XCTAssertEqual(old.deliveries.rest, [])
        await old.stop()
        await new.stop()
    }

    func testAnUnchangedMembersLinkIsLeftAlone() async throws {
        let server = try await TestServer(policy: policy(2))
        let links = try await TestLinks()
        let port = try server.port()
        try await links.adopt(members([2: port]))
        _ = try await links.events.next()
        try await links.adopt(members([2: port]))
        let isUp = try await links.on { $0[NodeNumber(2)]?.isUp }
        XCTAssertEqual(isUp, true)
        XCTAssertEqual(links.events.rest, [])
        try await links.stop()
        await server.stop()
    }

    func testWhoHasTakenTheAddressOfAnotherIsLinkedToInItsPlace() async throws {
        let server = try await TestServer(policy: policy(3))
        let links = try await TestLinks()
        let port = try server.port()
        try await links.adopt(members([2: 1]))
        try await links.adopt(members([2: port, 3: port]))
        let up = try await links.events.next()
        XCTAssertEqual(up, .up(NodeNumber(3), epoch: 1))
        let peers = try await links.on { Array($0.peers) }
        XCTAssertEqual(peers, [NodeNumber(3)])
        try await links.stop()
        await server.stop()
    }

    func testARefusalIsToldOf() async throws {
        let server = try await TestServer(
            policy: policy(2) {
                $0.topology = topology([2, 3], epoch: 3) { topology in
                    topology.removed = [
                        RemovedMember(number: NodeNumber(1), id: "n1", store: UUID128(high: 0, low: 1))
                    ]
                }
            })
        let links = try await TestLinks()
        try await links.adopt(members(try [2: server.port()]))
        guard case .refused(let reason) = try await links.events.next() else { return XCTFail("not refused") }
        XCTAssertEqual(reason.code, .removed)
        XCTAssertTrue(reason.text.contains(PeerPolicy.removal), reason.text)
        try await links.stop()
        await server.stop()
    }

    /// A topology of n1 and those at these ports.
    private func members(_ ports: [UInt16: Int]) -> Topology {
        topology([1] + ports.keys.sorted()) { topology in
            for (number, port) in ports {
                guard let index = topology.members.firstIndex(where: { $0.number.raw == number }) else { continue }
                topology.members[index].peer.port = port
            }
        }
    }
}

/// The links of n1 on their event loop.
private final class TestLinks: Sendable {
    enum Event: Hashable, Sendable {
        case up(NodeNumber, epoch: Epoch)
        case down(NodeNumber)
        case refused(Objection)
    }

    let events = Mailbox<Event>()
    private let links: NIOLoopBoundBox<PeerLinks>
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    init() async throws {
        let (logger, _) = CapturedLog.logger()
        let (events, loop) = (events, loop)
        links = try await loop.submit {
            NIOLoopBoundBox(
                PeerLinks(
                    of: NodeNumber(1), shard: ShardPosition(index: 0, count: 1), on: loop,
                    policy: PolicyBox(policy(1)), options: .forTests(), reasons: ReasonLog(logger: logger),
                    logger: logger,
                    events: PeerLinks.Events(
                        up: { events.put(.up($0, epoch: $1.epoch)) }, down: { events.put(.down($0)) },
                        refused: { events.put(.refused($0)) })),
                eventLoop: loop)
        }.get()
    }

    @discardableResult
    func adopt(_ topology: Topology, farewell: PeerMessage? = nil) async throws -> [NodeNumber] {
        try await on { $0.adopt(topology, farewell: farewell.map { EncodedMessage($0) }) }
    }

    @discardableResult
    func on<R: Sendable>(_ body: @escaping @Sendable (PeerLinks) throws -> R) async throws -> R {
        try await loop.submit { [links] in try body(links.value) }.get()
    }

    func stop() async throws { try await on { $0.stop() } }
}
