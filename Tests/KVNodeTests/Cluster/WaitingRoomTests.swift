import KVAPI
import KVCore
import KVWire
import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

/// Tests the node n4, which waits to be admitted to the cluster "default".
final class WaitingRoomTests: XCTestCase {
    func testItAnnouncesItselfToItsSeeds() async throws {
        let member = try await TestServer(policy: memberPolicy())
        let n4 = try await TestWaitingRoom(seeds: [try member.port()])
        let delivery = try await member.deliveries.next()
        XCTAssertEqual(delivery.from, NodeNumber(0))
        guard case .node(.cluster(.announce(let pendingNode))) = delivery.messages.first else {
            return XCTFail("\(delivery.messages)")
        }
        XCTAssertEqual(pendingNode.id, "n4")
        XCTAssertEqual(pendingNode.store, n4.base.directory.store)
        XCTAssertEqual(pendingNode.peer, n4.peer)
        XCTAssertFalse(pendingNode.admitsItself)
        await n4.close()
        await member.stop()
    }

    func testTheTopologyThatNamesItIsKeptAndEndsTheWait() async throws {
        let n4 = try await TestWaitingRoom(seeds: [1])
        let store = n4.base.directory.store
        let strangers = topology([1, 4], epoch: 4) { $0.settings.name = "default" }
        let admitting = topology([1, 4], epoch: 5) { topology in
            topology.settings.name = "default"
            topology.members[1].store = store
        }
        // A member that connects to the pending node sends this.
        let policy = memberPolicy { $0.topology = admitting }
        let link = try await TestLink(to: member(4, port: n4.peer.port), policy: policy)
        let up = try await link.events.next()
        XCTAssertEqual(up, .up(boot: 1, epoch: 0))
        try await link.on { link in
            link.send(.node(.cluster(.topology(strangers))))
            link.send(.shards(.outdated(epoch: 9)))
            link.send(.node(.cluster(.topology(admitting))))
            link.flush()
        }
        let turn = try await n4.turns.next()
        guard case .admitted(let topology) = turn else { return XCTFail("\(turn)") }
        XCTAssertEqual(topology, admitting)
        try await link.stop()
        await n4.close()
        XCTAssertNil(n4.base.directory.topology, "as it was found")
        let stored = try StoredTopology.read(in: n4.base.directory.path)
        XCTAssertEqual(stored, admitting)
    }

    func testOneThatWasRemovedIsToldSo() async throws {
        let n4 = try await TestWaitingRoom(seeds: [1])
        let store = n4.base.directory.store
        let gone = topology([1], epoch: 9) { topology in
            topology.settings.name = "default"
            topology.lastNumber = NodeNumber(4)
            topology.removed = [RemovedMember(number: NodeNumber(4), id: "n4", store: store)]
        }
        // To one that has not heard of the removal, it is a member still.
        let link = try await TestLink(
            to: member(4, port: n4.peer.port),
            policy: memberPolicy {
                $0.topology = topology([1, 4], epoch: 8) { $0.members[1].store = store }
            })
        _ = try await link.events.next()
        try await link.on { link in
            link.send(.node(.cluster(.topology(gone))))
            link.flush()
        }
        let turn = try await n4.turns.next()
        guard case .removed = turn else { return XCTFail("\(turn)") }
        try await link.stop()
        await n4.close()
    }

    func testItsClientsAreToldWhatToDo() async throws {
        let backend = WaitingRoomBackend(
            nodeID: "n4", limits: RequestLimits(key: 1, value: 1), advice: "waiting to be admitted to default")
        guard case .notReady(let advice) = backend.health else { return XCTFail("ready") }
        XCTAssertEqual(advice, "waiting to be admitted to default")
        XCTAssertNil(backend.settings)
        let outcomes = Mailbox<Outcome?>()
        let caller = Caller(on: MultiThreadedEventLoopGroup.singleton.next()) { outcomes.put($0.outcome) }
        backend.execute(
            Request(.get, key: Key("k"), slots: SlotMap(founding: 1), options: RequestOptions(), caller: caller))
        let outcome = try await outcomes.next()
        XCTAssertEqual(outcome, .refused(.notMember))
    }
}

/// The policy of n1, a member of the cluster "default" that no configuration file mentions.
private func memberPolicy(change: (inout PeerPolicy) -> Void = { _ in }) -> PeerPolicy {
    policy(1) { policy in
        policy.introduction.clusterName = "default"
        policy.introduction.epoch = 5
        policy.introduction.agreement = []
        change(&policy)
    }
}

private final class TestWaitingRoom {
    let base: NodeBase
    let waitingRoom: WaitingRoom
    let turns = Mailbox<NodeMain.Turn>()
    let peer: Address
    private let fixture: DirectoryFixture

    init(seeds: [Int]) async throws {
        let fixture = try DirectoryFixture()
        let ports = try await freePorts(2)
        let configuration = try fixture.configuration {
            $0.node = "n4"
            $0.seeds = seeds.map { "127.0.0.1:\($0)" }
            $0.client = "127.0.0.1:\(ports[0])"
            $0.peer = "127.0.0.1:\(ports[1])"
            $0.logLevel = "critical"
        }
        self.fixture = fixture
        peer = Address(host: "127.0.0.1", port: ports[1])
        base = try NodeBase.open(configuration, logger: LogOutput(configuration.log).logger)
        waitingRoom = try await WaitingRoom.open(base, onStoreFailure: { XCTFail("\($0)") }) { [turns] in turns.put($0)
        }
    }

    func close() async {
        await waitingRoom.close()
        await base.close()
    }
}

/// Ports that are free now.
private func freePorts(_ count: Int) async throws -> [Int] {
    var channels: [any Channel] = []
    for _ in 0..<count {
        channels.append(
            try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0)
                .get())
    }
    let ports = try channels.map { try XCTUnwrap($0.localAddress?.port) }
    for channel in channels { try await channel.close() }
    return ports
}
