import XCTest

@testable import KVCore

/// Tests which shard of a node has what.
final class ShardMapTests: XCTestCase {
    private let founding = SlotMap(founding: 8)

    func testAPartitionIsInTheShardOfTheOneThatItHasComeOf() throws {
        let split = try XCTUnwrap(SlotMap(founding: 8, count: 50))
        for count in 1...5 {
            let map = ShardMap(founding: founding, count: count)
            for raw in 0...8 { XCTAssertEqual(map.shard(of: PartitionID(UInt16(raw))), raw % count) }
            for partition in split.partitions {
                guard let parent = split.parent(of: partition) else { continue }
                XCTAssertEqual(map.shard(of: partition), map.shard(of: parent), "\(partition) of \(count) shards")
            }
        }
    }

    func testAMessageIsForShardsByItsKind() {
        let map = ShardMap(founding: founding, count: 3)
        func shard(_ message: PeerMessage) -> PeerMessage.Destination { message.destination(map) }
        // (8 is the metadata partition, and the first split, of partition 0, makes 9.)
        for (partition, index) in [(0, 0), (7, 1), (8, 2), (9, 0), (16, 1)] {
            let partition = PartitionID(UInt16(partition))
            let header = PartitionHeader(partition: partition, epoch: 1, ballot: .zero)
            XCTAssertEqual(shard(.replica(header, .prepare)), .shard(index), "\(partition)")
            let request = RequestHeader(RequestID(1), epoch: 1, partition: partition, key: Key("k"))
            XCTAssertEqual(shard(.request(request, .quorumRead)), .shard(index), "\(partition)")
        }
        let asked = RequestID(boot: 3, count: 77, shard: 2)
        XCTAssertEqual(shard(.reply(asked, .quorumReadReply(nil))), .shard(2))
        // A peer may be wrong.
        XCTAssertEqual(shard(.reply(RequestID(boot: 3, count: 77, shard: 9), .quorumReadReply(nil))), .shard(2))
        XCTAssertEqual(shard(.shards(.outdated(epoch: 1))), .all)
        XCTAssertEqual(shard(.node(.doubt(NodeNumber(1)))), .shard(0))
    }
}
