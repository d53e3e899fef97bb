import KVCore
import XCTest

/// Two partitions that node 1 leads, of which node 3 is the only other replica of both.
final class SharedConfirmationTests: XCTestCase {
    private let store = ManualStore()
    private var now = ManualNode.start
    private lazy var shard = Shard(
        me: NodeNumber(1), boot: 1, topology: Self.topology, partitions: [PartitionID(0), PartitionID(1)], store: store,
        options: ShardOptions(), seed: 1, now: now)
    private var sent: [(to: UInt16, message: PeerMessage)] = []

    private static let topology = Topology(
        clusterID: UUID128(high: 1, low: 2), epoch: 1,
        settings: ClusterSettings(name: "test", partitions: 2, replicas: 3), members: [],
        assignments: [[1, 2, 3], [1, 3, 4]].map { Assignment(replicas: $0.map(NodeNumber.init), changed: 1) },
        council: Assignment(replicas: [NodeNumber(1)], changed: 1))

    override func setUp() {
        for node in [2, 3, 4] as [UInt16] { give(.peer(NodeNumber(node), .up(boot: 1))) }
        for _ in 0..<5 {
            now = Now(monotonic: now.monotonic + .milliseconds(10), wall: now.wall + 10)
            give(.timer)
        }
        for header in takeSent(to: 3, \.canvassed) {
            give(.message(from: NodeNumber(3), .canvassed(header, granted: true, promised: .zero)))
        }
        store.sync()
        give(.durable)
        for header in takeSent(to: 3, \.prepared) {
            let promise = PeerMessage.promise(header, root: store.tree(header.partition).root, floor: .zero)
            give(.message(from: NodeNumber(3), promise))
        }
        for partition in [0, 1] as [UInt16] { XCTAssertTrue(shard.isSettled(PartitionID(partition))) }
        sent = []
    }

    private func give(_ inputs: ShardInput...) {
        for input in inputs { shard.handle(input, now: now) }
        shard.flush(now: now)
        for case .send(let node, let message) in shard.effects { sent.append((node.raw, message)) }
        shard.effects = []
    }

    private func takeSent<Picked>(to node: UInt16, _ pick: (PeerMessage) -> Picked?) -> [Picked] {
        defer { sent.removeAll { $0.to == node && pick($0.message) != nil } }
        return sent.filter { $0.to == node }.compactMap { pick($0.message) }
    }

    private func read(_ id: UInt64, of partition: UInt16) -> ShardInput {
        let request = ClientRequest(
            partition: PartitionID(partition), key: "k", command: .get, consistency: .linearizable,
            deadline: now.monotonic + .milliseconds(5000))
        return .request(RequestID(id), request)
    }

    private func asked(_ node: UInt16) -> [UInt16] {
        takeSent(to: node, \.confirmed).map(\.header.partition.raw).sorted()
    }

    func testByItselfEachAsksTheNextByNumber() {
        give(read(1, of: 0))
        XCTAssertEqual(asked(2), [0])
        give(read(2, of: 1))
        XCTAssertEqual(asked(3), [1])
        XCTAssertEqual(asked(4), [])
    }

    func testInOneTickTheyAskTheSameReplica() {
        give(read(1, of: 1), read(2, of: 0))
        XCTAssertEqual(asked(3), [0, 1])
        XCTAssertEqual(asked(2), [])
        give(read(3, of: 0))
        XCTAssertEqual(asked(2), [0], "in the next it is forgotten")
    }

    func testWhoIsOutOfTouchIsNotAsked() {
        give(read(1, of: 1))
        give(.peer(NodeNumber(3), .down))
        sent = []
        give(read(2, of: 1), read(3, of: 0))
        XCTAssertEqual(asked(3), [])
        XCTAssertEqual(asked(2), [0])
        XCTAssertEqual(asked(4), [1])
    }
}
