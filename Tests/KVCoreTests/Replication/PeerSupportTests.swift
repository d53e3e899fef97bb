import KVCore
import XCTest

/// A partition is covered by the count of the shard that has it at the node that gives support.
final class PeerSupportTests: XCTestCase {
    func testPartitionsAreCountedWhereTheyAre() {
        for (founding, partitions) in [(1, 8), (4, 11), (16, 64)] {
            let slots = SlotMap(founding: founding)
            let divided = SlotMap(founding: founding, count: partitions) ?? slots
            for count in 1...5 {
                let shards = ShardMap(founding: slots, count: count)
                for partition in divided.partitions + [divided.metadataPartition] {
                    XCTAssertEqual(
                        divided.shard(of: partition, among: count), shards.shard(of: partition),
                        "\(partition) of \(partitions) in \(count) shards")
                }
            }
        }
    }
}
