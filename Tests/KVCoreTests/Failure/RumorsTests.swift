import XCTest

@testable import KVCore

final class RumorsTests: XCTestCase {
    private let (a, b, c) = (NodeNumber(1), NodeNumber(2), NodeNumber(3))

    private var rumors = Rumors()

    func testEachIsToldSoOftenAndNotAgain() {
        rumors.begin(a)
        for _ in 0..<3 { XCTAssertEqual(take(10, of: 3), [a]) }
        XCTAssertEqual(take(10, of: 3), [])
        XCTAssertTrue(rumors.isEmpty)
    }

    func testThoseToldLeastGoFirst() {
        rumors.begin(a)
        rumors.begin(b)
        XCTAssertEqual(take(1, of: 3), [b])
        XCTAssertEqual(take(1, of: 3), [a])
        rumors.begin(c)
        XCTAssertEqual(take(1, of: 3), [c])
        XCTAssertEqual(Set(take(3, of: 3)), [a, b, c])
    }

    func testNewsOfTheSameMemberTakeThePlaceOfTheOld() {
        rumors.begin(a)
        _ = take(1, of: 2)
        rumors.begin(a)
        XCTAssertEqual(take(5, of: 2), [a])
        XCTAssertEqual(take(5, of: 2), [a])
        XCTAssertTrue(rumors.isEmpty)
        rumors.begin(a)
        rumors.end(a)
        XCTAssertEqual(take(5, of: 2), [])
    }

    func testOfManyAllAreToldEquallyOften() {
        var random = SplitMix(seed: 1)
        var told: [NodeNumber: Int] = [:]
        for raw in 1...250 as ClosedRange<UInt16> { rumors.begin(NodeNumber(raw)) }
        while !rumors.isEmpty {
            let count = Int(random.next() % 100)
            for node in take(count, of: 7) { told[node, default: 0] += 1 }
            let counts = (1...250 as ClosedRange<UInt16>).map { told[NodeNumber($0)] ?? 0 }
            XCTAssertLessThanOrEqual((counts.max() ?? 0) - (counts.min() ?? 0), 1)
        }
        XCTAssertTrue(told.values.allSatisfy { $0 == 7 })
        XCTAssertEqual(told.count, 250)
    }

    func testWhatIsTooLargeForTheRoomWaits() {
        rumors.begin(a, size: 4)
        rumors.begin(b, size: 2)
        rumors.begin(c, size: 2)
        XCTAssertEqual(take(5, of: 3), [c, b])
        XCTAssertEqual(take(5, of: 3), [a])
    }

    private func take(_ count: Int, of transmissions: Int) -> [NodeNumber] {
        rumors.take(count, transmissions: transmissions)
    }
}
