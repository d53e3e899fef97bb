import KVModel
import XCTest

final class SlotMapTests: XCTestCase {
    func testWithoutSplitsPartitionsCutTheRingIntoEqualRuns() {
        for partitions in [1, 2, 8, 1024, 16384] {
            let map = SlotMap(founding: partitions)
            var next = 0
            for partition in map.partitions {
                let slots = map.slots(of: partition)
                XCTAssertEqual(slots.map { Int($0.lowerBound.raw) }, next)
                XCTAssertEqual(slots.map { map.partition(of: $0.lowerBound) }, partition)
                XCTAssertEqual(slots.map { map.partition(of: $0.upperBound) }, partition)
                next = slots.map { Int($0.upperBound.raw) + 1 } ?? 0
            }
            XCTAssertEqual(next, Slot.count)
        }
    }

    /// However many splits there have been, every slot is in one partition, and the partition says so.
    func testEverySlotIsInOnePartition() throws {
        for (founding, counts) in [
            (1, [1, 2, 3, 7, 8, 100, 16384]), (8, [8, 9, 15, 16, 17, 63, 64, 10000]), (16384, [16384]),
        ] {
            for count in counts {
                let map = try XCTUnwrap(SlotMap(founding: founding, count: count))
                var owners: [PartitionID?] = Array(repeating: nil, count: Slot.count)
                for partition in map.partitions {
                    for slot in try XCTUnwrap(map.slots(of: partition)).lowerBound
                        .raw...XCTUnwrap(map.slots(of: partition)).upperBound.raw
                    {
                        XCTAssertNil(owners[Int(slot)], "slot \(slot) of \(founding)/\(count)")
                        owners[Int(slot)] = partition
                    }
                }
                for slot in 0..<Slot.count {
                    XCTAssertEqual(
                        owners[slot], map.partition(of: Slot(UInt16(slot))), "\(slot) of \(founding)/\(count)")
                }
                XCTAssertEqual(map.partitions.count, count)
                XCTAssertNil(map.slots(of: map.metadataPartition))
                XCTAssertNil(map.slots(of: PartitionID(UInt16(map.limit))))
            }
        }
    }

    /// A split gives the upper half of one partition to the next new one, and changes nothing else.
    func testASplitHalvesOnePartition() throws {
        for founding in [1, 4, 8192] {
            var map = SlotMap(founding: founding)
            for _ in 0..<40 {
                guard let split = map.next, let after = map.afterNext else { break }
                let before = try XCTUnwrap(map.slots(of: split.parent))
                let middle = UInt16((Int(before.lowerBound.raw) + Int(before.upperBound.raw) + 1) / 2)
                XCTAssertEqual(after.slots(of: split.parent), before.lowerBound...Slot(middle - 1))
                XCTAssertEqual(after.slots(of: split.child), Slot(middle)...before.upperBound)
                XCTAssertNil(map.slots(of: split.child))
                for partition in map.partitions where partition != split.parent {
                    XCTAssertEqual(map.slots(of: partition), after.slots(of: partition))
                }
                XCTAssertEqual(map.ancestor(of: split.child), map.ancestor(of: split.parent))
                XCTAssertGreaterThan(split.child, split.parent)
                XCTAssertNotEqual(split.child, map.metadataPartition)
                map = after
            }
        }
    }

    func testWholeRoundsMakeEqualPartitions() throws {
        let map = try XCTUnwrap(SlotMap(founding: 64, count: 1024))
        let widths = map.partitions.map { map.slots(of: $0).map { $0.upperBound.raw - $0.lowerBound.raw } }
        XCTAssertEqual(Set(widths), [15])
        XCTAssertEqual(SlotMap(founding: 64).splits(to: 1024).count, 960)
        XCTAssertEqual(SlotMap(founding: 64).splits(to: 1024).last?.child, PartitionID(1024))
        XCTAssertNil(SlotMap(founding: 16384).next)
        XCTAssertEqual(SlotMap(founding: 1).splits(to: .max).count, 16383)
    }

    func testPlacesPassOverTheMetadataPartition() throws {
        let map = try XCTUnwrap(SlotMap(founding: 4, count: 6))
        XCTAssertEqual(map.partitions.map(\.raw), [0, 1, 2, 3, 5, 6])
        XCTAssertEqual(map.partitions.map { map.place(of: $0) }, [0, 1, 2, 3, 4, 5])
        XCTAssertNil(map.place(of: PartitionID(4)))
        XCTAssertNil(map.place(of: PartitionID(7)))
        XCTAssertEqual(map.ancestor(of: PartitionID(4)), PartitionID(4))
        XCTAssertEqual(map.ancestor(of: PartitionID(6)), PartitionID(1))
        XCTAssertEqual(map.limit, 7)
    }

    func testAParentIsWhatAPartitionWasSplitOff() throws {
        let map = try XCTUnwrap(SlotMap(founding: 2, count: 7))
        XCTAssertEqual(map.partitions.map(\.raw), [0, 1, 3, 4, 5, 6, 7])
        XCTAssertEqual(map.partitions.map { map.parent(of: $0)?.raw }, [nil, nil, 0, 1, 0, 1, 3])
    }

    func testNumbersOutOfRangeAreRefused() {
        for (founding, count) in [(0, 0), (3, 3), (-4, 4), (8, 7), (8, 16385), (32768, 32768)] {
            XCTAssertNil(SlotMap(founding: founding, count: count), "\(founding) \(count)")
        }
        XCTAssertEqual(SlotMap(founding: 3).count, 1)
        XCTAssertEqual((-2...20000).filter(SlotMap.dividesEqually), (0...14).map { 1 << $0 })
        for count in [Int.min, .max] { XCTAssertFalse(SlotMap.dividesEqually(into: count)) }
    }
}
