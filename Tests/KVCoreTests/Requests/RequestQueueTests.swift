import XCTest

@testable import KVCore

final class RequestQueueTests: XCTestCase {
    private func request(_ token: UInt64) -> Request {
        Request(.get, key: "k", partition: PartitionID(0), limit: .until(Instant(nanoseconds: 1)), token: token)
    }

    /// Compares random appends, removals and takings with an array.
    func testItKeepsTheOrderWhateverIsTakenOut() {
        var random = SplitMix(seed: 7)
        var queue = RequestQueue()
        var model: [Request] = []
        var token: UInt64 = 0
        for _ in 0..<20_000 {
            switch random.next(upperBound: 10 as UInt64) {
            case 0..<5:
                token += 1
                let request = request(token)
                queue.append(request, as: .held)
                model.append(request)
            case 5..<9 where !model.isEmpty:
                let request = model.remove(at: Int(random.next(upperBound: UInt64(model.count))))
                queue.remove(request)
                XCTAssertEqual(request.stage, .begun)
            case 9 where random.next(upperBound: 50 as UInt64) == 0:
                XCTAssertEqual(queue.takeAll().map(\.token), model.map(\.token))
                model = []
            default: break
            }
            XCTAssertEqual(queue.count, model.count)
            XCTAssertEqual(queue.isEmpty, model.isEmpty)
            XCTAssert(model.allSatisfy { $0.stage == .held })
        }
        XCTAssertEqual(queue.takeAll().map(\.token), model.map(\.token))
    }

    /// Requests that were withdrawn leave at most as many gaps as there are requests.
    func testGapsAreClosed() {
        var queue = RequestQueue()
        let first = request(0)
        queue.append(first, as: .held)
        for token in 1...100_000 {
            let request = request(UInt64(token))
            queue.append(request, as: .held)
            XCTAssertLessThan(request.place, 40)
            queue.remove(request)
        }
        XCTAssertEqual(queue.takeAll().map(\.token), [0])
    }
}

final class RequestTableTests: XCTestCase {
    private func request(_ serial: UInt64) -> Request {
        let request = Request(.get, key: "k", partition: PartitionID(0), limit: .until(Instant(nanoseconds: 1)))
        request.serial = serial
        return request
    }

    func testNumbersNameOneRequestEach() {
        var random = SplitMix(seed: 3)
        var table = RequestTable(boot: 5, shard: 2)
        var model: [RequestID: Request] = [:]
        var spent: Set<RequestID> = []
        for serial in 1...20_000 as ClosedRange<UInt64> {
            let request = request(serial)
            let id = table.insert(request)
            XCTAssertNil(model[id])
            XCTAssertFalse(spent.contains(id), "a number comes back after millions of others")
            XCTAssertEqual(id.shard, 2)
            model[id] = request
            while model.count > Int(random.next(upperBound: 1500 as UInt64)),
                let gone = model.keys.randomElement(using: &random)
            {
                table.remove(gone)
                model[gone] = nil
                spent.insert(gone)
                XCTAssertNil(table[gone])
                table.remove(gone)
            }
            XCTAssertEqual(table.count, model.count)
        }
        for (id, request) in model { XCTAssert(table[id] === request) }
        for id in spent { XCTAssertNil(table[id]) }
        XCTAssertEqual(table.filter { _ in true }.map(\.serial), model.values.map(\.serial).sorted())
    }

    func testNumbersOfOtherProcessesAndShardsNameNothing() {
        var table = RequestTable(boot: 5, shard: 2)
        let id = table.insert(request(1))
        XCTAssertNotNil(table[id])
        XCTAssertNil(table[RequestID(boot: 4, count: id.count, shard: 2)])
        XCTAssertNil(table[RequestID(boot: 5, count: id.count, shard: 1)])
        XCTAssertNil(table[RequestID(boot: 5, count: id.count + 1, shard: 2)])
        XCTAssertNil(table[RequestID(.max)])
    }

    /// A question of the node's own has a number that no request has.
    func testAQuestionHasANumberAndIsNoRequest() {
        var table = RequestTable(boot: 1, shard: 0)
        let question = table.insert()
        let id = table.insert(request(1))
        XCTAssertNotEqual(question, id)
        XCTAssertNil(table[question])
        XCTAssertEqual(table.count, 1)
        table.remove(question)
        XCTAssertEqual(table.count, 1)
    }

    func testItHoldsAsManyAsARunnerMayHave() {
        var table = RequestTable(boot: 1, shard: 0)
        XCTAssertLessThanOrEqual(
            ShardOptions().maximumRequests + ShardOptions().maximumRepairs, RequestTable.maximum)
        let ids = (0..<RequestTable.maximum).map { table.insert(request(UInt64($0))) }
        XCTAssertEqual(Set(ids).count, RequestTable.maximum)
        XCTAssertEqual(table[ids[RequestTable.maximum - 1]]?.serial, UInt64(RequestTable.maximum - 1))
    }
}

final class DeadlinesTests: XCTestCase {
    /// Compares random deadlines with an array. Some are overdue, and some are further off than a turn of the wheel.
    func testEveryRequestIsFoundAtItsTime() {
        var random = SplitMix(seed: 11)
        var now = Instant(nanoseconds: 1_000_000_000_000)
        var deadlines = Deadlines(now: now)
        var model: [Request] = []
        for serial in 1...20_000 as ClosedRange<UInt64> {
            let reach: UInt64 = [1_000_000, 200_000_000, 5_000_000_000, 60_000_000_000][
                Int(random.next(upperBound: 4 as UInt64))]
            let offset = random.next(upperBound: reach)
            let isOverdue = random.next(upperBound: 20 as UInt64) == 0
            let request = Request(
                .get, key: "k", partition: PartitionID(0),
                limit: .until(
                    Instant(
                        nanoseconds: isOverdue ? now.nanoseconds - offset % 1_000_000_000 : now.nanoseconds + offset)))
            request.serial = serial
            deadlines.insert(request)
            model.append(request)
            if random.next(upperBound: 3 as UInt64) == 0 {
                let gone = model.remove(at: Int(random.next(upperBound: UInt64(model.count))))
                deadlines.remove(gone)
                deadlines.remove(gone)
            }
            now = now + Nanoseconds(nanoseconds: random.next(upperBound: 20_000_000))
            // Now and then the process sleeps, sometimes for longer than a turn of the wheel.
            if random.next(upperBound: 500 as UInt64) == 0 { now = now + .milliseconds(25_000) }
            let due = deadlines.takeDue(at: now)
            XCTAssertEqual(due.map(\.serial), model.filter { $0.deadline <= now }.map(\.serial))
            model.removeAll { $0.deadline <= now }
            XCTAssertEqual(deadlines.count, model.count)
        }
    }
}
