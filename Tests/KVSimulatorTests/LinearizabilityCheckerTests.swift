import XCTest

@testable import KVSimulator

final class LinearizabilityCheckerTests: XCTestCase {
    private let open = Operation.open

    private func put(_ write: Int, stamp: Int = 0, _ requirement: Requirement = .nothing) -> Step {
        .write(Sight(write, stamp: stamp), requirement)
    }

    private func get(_ write: Int, stamp: Int = 0) -> Step { .read(Sight(write, stamp: stamp)) }

    private func assertLinearizable(_ history: [Operation], line: UInt = #line) {
        XCTAssertEqual(LinearizabilityChecker.check(history), .linearizable, line: line)
    }

    private func assertViolation(_ history: [Operation], line: UInt = #line) {
        XCTAssertEqual(LinearizabilityChecker.check(history), .violation, line: line)
    }

    func testAReadSeesTheLastWrite() {
        assertLinearizable([Operation(1, 2, put(1)), Operation(3, 4, get(1))])
        assertViolation([Operation(1, 2, put(1)), Operation(3, 4, .read(nil))])
        assertViolation([Operation(1, 2, put(1)), Operation(3, 4, put(2)), Operation(5, 6, get(1))])
        assertViolation([Operation(1, 2, get(1))])
    }

    func testConcurrentOperationsMayComeInEitherOrder() {
        assertLinearizable([Operation(1, 9, put(1)), Operation(2, 3, .read(nil)), Operation(4, 5, get(1))])
        assertViolation([Operation(1, 9, put(1)), Operation(2, 3, get(1)), Operation(4, 5, .read(nil))])
        assertLinearizable([Operation(1, 9, put(1)), Operation(1, 9, put(2)), Operation(10, 11, get(1))])
    }

    func testAnUnknownWriteMayTakeEffectLateOnceOrNever() {
        let unknown = Operation(1, open, put(1))
        assertLinearizable([unknown, Operation(2, 3, .read(nil))])
        assertLinearizable([unknown, Operation(2, 3, put(2)), Operation(4, 5, get(2)), Operation(6, 7, get(1))])
        assertViolation([unknown, Operation(2, 3, get(1)), Operation(4, 5, .read(nil))])
        assertViolation([
            unknown, Operation(2, 3, get(1)), Operation(4, 5, put(2)), Operation(6, 7, get(1)),
        ])
        assertViolation([Operation(5, open, put(1)), Operation(2, 3, get(1))])
    }

    func testUnknownErasuresAndAnonymousWrites() {
        assertLinearizable([
            Operation(1, 2, put(1)), Operation(3, open, .erase(.nothing)), Operation(4, 5, get(1)),
            Operation(6, 7, .read(nil)),
        ])
        assertLinearizable([Operation(1, open, put(1)), Operation(2, 3, .erase(.nothing))])
        assertViolation([
            Operation(1, open, put(1)), Operation(2, 3, .erase(.nothing)), Operation(4, 5, .erase(.nothing)),
        ])
        assertViolation([Operation(1, 2, put(1)), Operation(3, 4, .read(nil)), Operation(5, open, .erase(.nothing))])
    }

    func testConditions() {
        let first = Operation(1, 2, put(1, stamp: 1))
        let match = Requirement.exactly(Sight(1, stamp: 1))
        assertLinearizable([first, Operation(3, 4, put(2, stamp: 2, match)), Operation(5, 6, get(2, stamp: 2))])
        assertViolation([
            first, Operation(3, 4, put(2, stamp: 2, match)), Operation(3, 4, put(3, stamp: 3, match)),
        ])
        assertLinearizable([
            first, Operation(3, 4, put(2, stamp: 2, match)),
            Operation(3, 4, .mismatch(required: match, met: Sight(2, stamp: 2))),
        ])
        assertViolation([first, Operation(3, 4, .mismatch(required: match, met: Sight(1, stamp: 1)))])
        assertViolation([first, Operation(3, 4, .mismatch(required: match, met: nil))])
        assertViolation([first, Operation(3, 4, put(2, stamp: 2, .absent))])
        assertLinearizable([first, Operation(3, 4, .mismatch(required: .absent, met: Sight(1, stamp: 1)))])
        assertViolation([Operation(1, 2, put(1, .present))])
    }

    func testAValueMayGetALaterStampButNeverAnEarlierOne() {
        let first = Operation(1, 2, put(1, stamp: 1))
        assertLinearizable([first, Operation(3, 4, get(1, stamp: 1)), Operation(5, 6, get(1, stamp: 2))])
        assertViolation([first, Operation(3, 4, get(1, stamp: 2)), Operation(5, 6, get(1, stamp: 1))])
        assertLinearizable([
            first, Operation(3, 4, .mismatch(required: .exactly(Sight(1, stamp: 1)), met: Sight(1, stamp: 2))),
        ])
        assertViolation([
            first, Operation(3, 4, get(1, stamp: 2)),
            Operation(5, 6, put(2, stamp: 3, .exactly(Sight(1, stamp: 1)))),
        ])
    }

    func testListings() {
        assertViolation([Operation(1, 2, put(1)), Operation(3, 4, .presence(false))])
        assertLinearizable([Operation(1, 4, put(1)), Operation(3, 4, .presence(false))])
        assertViolation([Operation(1, 2, .presence(true)), Operation(3, 4, put(1))])
    }

    func testExpiry() {
        let history = [Operation(1, 2, put(1)), Operation(10, 10, .expire(1))]
        assertLinearizable(history + [Operation(5, 6, get(1)), Operation(11, 12, .read(nil))])
        assertViolation(history + [Operation(5, 6, .read(nil))])
        assertViolation(history + [Operation(11, 12, get(1))])
        assertLinearizable([Operation(8, 12, put(1)), Operation(10, 10, .expire(1)), Operation(13, 14, .read(nil))])
        assertLinearizable([
            Operation(1, 2, put(1)), Operation(3, 4, put(2)), Operation(10, 10, .expire(1)), Operation(11, 12, get(2)),
        ])
        assertViolation([Operation(11, 12, put(1)), Operation(10, 10, .expire(1)), Operation(13, 14, get(1))])
    }

    func testALongHistoryWithManyUnknownsIsQuick() {
        var history: [Operation] = []
        for round in 0..<200 {
            let start = UInt64(round * 10)
            let write = round * 3 + 1
            history.append(Operation(start, start + 12, put(write)))
            history.append(Operation(start + 2, round % 4 == 0 ? open : start + 15, put(write + 1)))
            history.append(Operation(start + 16, start + 19, get(write)))
        }
        XCTAssertNotEqual(LinearizabilityChecker.check(history), .undecided)
        history.append(Operation(9000, 9001, .read(nil)))
        assertViolation(history)
    }

    /// The search against every order of every subset that the definition allows.
    func testAgainstBruteForceOnRandomHistories() {
        var random = SeededRandom(seed: 7)
        var tally = [LinearizabilityChecker.Verdict: Int]()
        for _ in 0..<4000 {
            let history = randomHistory(&random)
            let expected: LinearizabilityChecker.Verdict =
                isExplained(history, done: 0, write: 0, stamp: 0) ? .linearizable : .violation
            XCTAssertEqual(LinearizabilityChecker.check(history), expected, "\(history)")
            tally[expected, default: 0] += 1
        }
        XCTAssertGreaterThan(tally[.linearizable, default: 0], 400)
        XCTAssertGreaterThan(tally[.violation, default: 0], 400)
    }

    private func randomHistory(_ random: inout SeededRandom) -> [Operation] {
        let writes = 1 + random.below(3)
        func sight(_ random: inout SeededRandom) -> Sight { Sight(1 + random.below(writes), stamp: random.below(4)) }
        func requirement(_ random: inout SeededRandom) -> Requirement {
            [.nothing, .nothing, .absent, .present, .exactly(sight(&random))][random.below(5)]
        }
        func interval(_ random: inout SeededRandom) -> (UInt64, UInt64) {
            let start = random.below(UInt64(20))
            return (start, start + 1 + random.below(UInt64(12)))
        }
        var history: [Operation] = []
        for write in 1...writes {
            let (start, end) = interval(&random)
            let step = Step.write(Sight(write, stamp: random.below(3)), requirement(&random))
            history.append(Operation(start, random.chance(0.3) ? open : end, step))
            if random.chance(0.15) { history.append(Operation(end + 3, end + 3, .expire(write))) }
        }
        for _ in 0..<(1 + random.below(3)) {
            let (start, end) = interval(&random)
            switch random.below(6) {
            case 0: history.append(Operation(start, end, .read(nil)))
            case 1, 2: history.append(Operation(start, end, .read(sight(&random))))
            case 3: history.append(Operation(start, end, .presence(random.chance(0.5))))
            case 4:
                let step = Step.erase(requirement(&random))
                history.append(Operation(start, random.chance(0.4) ? open : end, step))
            default:
                let met = random.chance(0.3) ? nil : sight(&random)
                history.append(Operation(start, end, .mismatch(required: requirement(&random), met: met)))
            }
        }
        return history
    }

    private func isExplained(_ history: [Operation], done: Int, write: Int, stamp: Int) -> Bool {
        let left = history.indices.filter { done >> $0 & 1 == 0 }
        if left.allSatisfy({ history[$0].completed == open }) { return true }
        let limit = left.map { history[$0].completed }.min() ?? open
        for index in left where history[index].invoked <= limit {
            guard let next = naive(history, index, done: done, write: write, stamp: stamp) else { continue }
            if isExplained(history, done: done | 1 << index, write: next.0, stamp: next.1) { return true }
        }
        return false
    }

    private func naive(_ history: [Operation], _ index: Int, done: Int, write: Int, stamp: Int) -> (Int, Int)? {
        func matches(_ sight: Sight?) -> Bool {
            guard let sight else { return write == 0 }
            return sight.write == write && (sight.stamp == 0 || sight.stamp >= stamp)
        }
        func after(_ sight: Sight?) -> (Int, Int) { (write, max(stamp, sight?.stamp ?? 0)) }
        func meets(_ requirement: Requirement) -> Bool {
            switch requirement {
            case .nothing: true
            case .absent: write == 0
            case .present: write != 0
            case .exactly(let sight): matches(sight)
            }
        }
        switch history[index].step {
        case .read(let sight): return matches(sight) ? after(sight) : nil
        case .presence(let present): return present == (write != 0) ? (write, stamp) : nil
        case .write(let sight, let requirement):
            guard meets(requirement) else { return nil }
            let ended = history.indices.contains { done >> $0 & 1 == 1 && history[$0].step == .expire(sight.write) }
            return ended ? (0, 0) : (sight.write, sight.stamp)
        case .erase(let requirement): return write != 0 && meets(requirement) ? (0, 0) : nil
        case .mismatch(let requirement, let met):
            guard matches(met) else { return nil }
            switch requirement {
            case .exactly(let sight): return sight == met ? nil : after(met)
            default: return meets(requirement) ? nil : after(met)
            }
        case .expire(let ending): return ending == write ? (0, 0) : (write, stamp)
        }
    }
}
