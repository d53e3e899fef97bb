import KVCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// Requests in the table of a connection: which goes when, and which stands for others.
final class OperationTableTests: XCTestCase {
    private let caller = Caller(on: EmbeddedEventLoop()) { _ in }
    private var table = OperationTable()
    private var sequence: UInt64 = 0

    override func setUp() {
        table = OperationTable()
        sequence = 0
    }

    /// - Returns: the request, and whether it may go at once.
    private func begin(_ command: Command, _ key: String = "a") -> (request: Request, goes: Bool) {
        let request = Request(
            command, key: Key(key), slots: SlotMap(founding: 1), options: RequestOptions(), caller: caller,
            token: UInt64(table.nextToken))
        sequence += 1
        let operation = OperationTable.Operation(
            request, sequence: sequence, part: 0, expectation: .value, counted: 0)
        return (request, table.begin(operation))
    }

    private func put(_ value: String) -> Command { .put(Put(value: Array(value.utf8))) }

    private func add(_ addend: Int64) -> Command { .update(Update(.add(addend), maximumLength: 100)) }

    /// Ends a request and gives the replies that have come with it, by their sequence.
    private func end(_ request: Request) -> [UInt64] {
        guard var operation = table.end(Int(request.token)) else { return [] }
        var ended = [operation.sequence]
        while let next = table.endNext(after: operation) {
            ended.append(next.sequence)
            operation = next
        }
        return ended.sorted()
    }

    func testARequestWaitsAsItselfAndGoesAsItself() {
        let first = begin(put("1"))
        XCTAssertTrue(first.goes)
        let read = begin(.get)
        XCTAssertFalse(read.goes)
        XCTAssertTrue(begin(.get, "b").goes)
        XCTAssertNil(table.takeReleased())
        XCTAssertEqual(end(first.request), [1])
        XCTAssertTrue(table.takeReleased() === read.request)
        XCTAssertNil(table.takeReleased())
        XCTAssertEqual(table.count, 2)
    }

    func testTheLastOfPlainWritesStandsForAll() {
        let first = begin(put("1"))
        let waiting = ["2", "3", "4"].map { begin(put($0)) }
        let read = begin(.get)
        XCTAssertEqual(end(first.request), [1])
        XCTAssertTrue(table.takeReleased() === waiting.last?.request)
        XCTAssertNil(table.takeReleased(), "the read waits for them")
        XCTAssertEqual(end(waiting[2].request), [2, 3, 4])
        XCTAssertTrue(table.takeReleased() === read.request)
        XCTAssertEqual(end(read.request), [5])
        XCTAssertEqual(table.count, 0)
        XCTAssertEqual(table.bytes, 0)
    }

    func testASumThatDoesNotFitLeavesTheRequestsAsTheyWere() throws {
        let first = begin(add(1))
        let waiting = [2, 3].map { begin(add($0)) }
        let last = begin(put("x"))
        XCTAssertEqual(end(first.request), [1])
        let sum = try XCTUnwrap(table.takeReleased())
        XCTAssertEqual(sum.command, add(5))
        XCTAssertEqual(sum.token, waiting[0].request.token)
        XCTAssertEqual(sum.hash, waiting[0].request.hash)
        let applied = Outcome.updated(version(1, 1, 1), .applied(.integer(15)))
        var copy = table
        XCTAssertEqual(copy.sums(of: Int(sum.token), applied), [12, 15])
        XCTAssertEqual(table.sums(of: Int(sum.token), .updated(nil, .misfit(.overflow))), [])
        XCTAssertTrue(table.takeReleased() === waiting[0].request)
        XCTAssertEqual(end(waiting[0].request), [2])
        XCTAssertTrue(table.takeReleased() === waiting[1].request)
        XCTAssertEqual(end(waiting[1].request), [3])
        XCTAssertTrue(table.takeReleased() === last.request)
    }

    /// The value of a read is in its request. There is no room for it where the read is put aside.
    func testAReadThatIsPutAsideDropsWhatItBrought() {
        weak var ended: Request?
        let token: Int
        do {
            let read = begin(.get)
            token = Int(read.request.token)
            read.request.end(.found(.holding(String(repeating: "x", count: 100_000))), by: NodeNumber(1))
            ended = read.request
            table.putAside(token, counted: 100_000)
        }
        XCTAssertNil(ended)
        let again = table.underWay(token)
        XCTAssertEqual(again?.request.key, Key("a"))
        XCTAssertEqual(again?.request.token, UInt64(token))
        XCTAssertEqual(again?.request.allowance, 100_000)
        XCTAssertEqual(again?.request.isFinished, false)
        XCTAssertFalse(begin(put("1")).goes, "it is under way all the same")
    }
}
