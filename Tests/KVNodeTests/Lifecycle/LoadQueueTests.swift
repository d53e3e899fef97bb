import KVCore
import XCTest

@testable import KVNode

final class LoadQueueTests: XCTestCase {
    func testSoManyBytesAreReadAtATime() {
        var queue = LoadQueue(limit: 100)
        let tickets = (1...5).map { ReadTicket($0, bytes: 40) }
        XCTAssertEqual(queue.admit(tickets).map(\.raw), [1, 2])
        XCTAssertEqual(queue.admit([ReadTicket(6, bytes: 1)]), [], "nothing passes what came before")
        XCTAssertEqual(queue.ended(40).map(\.raw), [3])
        XCTAssertEqual(queue.ended(80).map(\.raw), [4, 5, 6])
        XCTAssertEqual(queue.ended(81), [])
        XCTAssertEqual(queue.bytes, 0)
    }

    func testWhatNobodyHasCountedWithIsAskedForWhileLittleIsRead() {
        var queue = LoadQueue(limit: 100)
        XCTAssertTrue(queue.mayExpect(60))
        XCTAssertFalse(queue.mayExpect(60), "in the same turn")
        XCTAssertTrue(queue.mayExpect(40))
        XCTAssertEqual(queue.admit([ReadTicket(1, bytes: 60), ReadTicket(2, bytes: 60)]).map(\.raw), [1])
        queue.endTurn()
        XCTAssertFalse(queue.mayExpect(1), "what waits counts")
        XCTAssertEqual(queue.ended(60).map(\.raw), [2])
        XCTAssertTrue(queue.mayExpect(40))
    }

    func testOneRecordIsReadWhateverItsSize() {
        var queue = LoadQueue(limit: 100)
        XCTAssertEqual(queue.admit([ReadTicket(1, bytes: 500), ReadTicket(2, bytes: 500)]).map(\.raw), [1])
        XCTAssertEqual(queue.ended(500).map(\.raw), [2])
    }
}
