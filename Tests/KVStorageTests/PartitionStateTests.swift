import KVCore
import XCTest

@testable import KVStorage

final class PartitionStateTests: XCTestCase {
    private func state(
        _ segment: UInt32, _ offset: UInt32, membership: Epoch, floor: UInt64 = 0, promise: UInt64 = 0
    ) -> PartitionState {
        var state = PartitionState()
        state.wiped = Location(segment: segment, offset: offset)
        state.membership = membership
        state.floor = Version(ballot: ballot(1), sequence: floor)
        state.promise = ballot(promise)
        return state
    }

    /// A partition's states in the order in which they were written: whatever subset a start finds, in whatever order,
    /// the newest of them counts.
    func testStatesFoundInAnyOrderComeToTheNewest() {
        let written = [
            state(1, 64, membership: 5, promise: 1), state(1, 64, membership: 5, floor: 8, promise: 1),
            state(1, 64, membership: 5, floor: 9, promise: 2), state(1, 900, membership: 0, promise: 2),
            state(2, 64, membership: 11, promise: 2), state(2, 64, membership: 11, floor: 3, promise: 4),
        ]
        var random = SplitMix(seed: 1)
        for newest in written.indices {
            for _ in 0..<50 {
                var found = PartitionState()
                let older = written[..<newest].filter { _ in random.next() % 2 == 0 }
                for state in (older + [written[newest]]).shuffled(using: &random) { found.merge(state) }
                XCTAssertEqual(found, written[newest])
            }
        }
    }

    func testAStateComesBackFromItsBytes() {
        let state = state(.max, 7, membership: .max, floor: 3, promise: 4)
        state.withEncoded {
            XCTAssertEqual($0.count, PartitionState.encodedSize)
            XCTAssertEqual(PartitionState(promise: state.promise, value: $0), state)
        }
    }
}
