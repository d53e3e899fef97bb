import XCTest

@testable import KVSimulator

final class LinearizabilityCheckerTests: XCTestCase {
    private let open = RegisterOperation.open

    private func put(_ write: Int, stamp: Int = 0, _ requirement: Requirement = .nothing) -> Step {
        .write(Sight(write, stamp: stamp), requirement)
    }

    private func get(_ write: Int, stamp: Int = 0) -> Step { .read(Sight(write, stamp: stamp)) }

    private func assertLinearizable(_ history: [RegisterOperation], line: UInt = #line) {
        XCTAssertEqual(LinearizabilityChecker.check(history), .linearizable, line: line)
    }

    private func assertViolation(_ history: [RegisterOperation], line: UInt = #line) {
        XCTAssertEqual(LinearizabilityChecker.check(history), .violation, line: line)
    }

    func testAReadSeesTheLastWrite() {
        assertLinearizable([RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, get(1))])
        assertViolation([RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, .read(nil))])
        assertViolation([
            RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, put(2)), RegisterOperation(5, 6, get(1)),
        ])
        assertViolation([RegisterOperation(1, 2, get(1))])
    }

    func testConcurrentOperationsMayComeInEitherOrder() {
        assertLinearizable([
            RegisterOperation(1, 9, put(1)), RegisterOperation(2, 3, .read(nil)), RegisterOperation(4, 5, get(1)),
        ])
        assertViolation([
            RegisterOperation(1, 9, put(1)), RegisterOperation(2, 3, get(1)), RegisterOperation(4, 5, .read(nil)),
        ])
        assertLinearizable([
            RegisterOperation(1, 9, put(1)), RegisterOperation(1, 9, put(2)), RegisterOperation(10, 11, get(1)),
        ])
    }

    func testAnUnknownWriteMayTakeEffectLateOnceOrNever() {
        let unknown = RegisterOperation(1, open, put(1))
        assertLinearizable([unknown, RegisterOperation(2, 3, .read(nil))])
        assertLinearizable([
            unknown, RegisterOperation(2, 3, put(2)), RegisterOperation(4, 5, get(2)), RegisterOperation(6, 7, get(1)),
        ])
        assertViolation([unknown, RegisterOperation(2, 3, get(1)), RegisterOperation(4, 5, .read(nil))])
        assertViolation([
            unknown, RegisterOperation(2, 3, get(1)), RegisterOperation(4, 5, put(2)), RegisterOperation(6, 7, get(1)),
        ])
        assertViolation([RegisterOperation(5, open, put(1)), RegisterOperation(2, 3, get(1))])
    }

    func testUnknownErasuresAndAnonymousWrites() {
        assertLinearizable([
            RegisterOperation(1, 2, put(1)), RegisterOperation(3, open, .erase(.nothing)),
            RegisterOperation(4, 5, get(1)),
            RegisterOperation(6, 7, .read(nil)),
        ])
        assertLinearizable([RegisterOperation(1, open, put(1)), RegisterOperation(2, 3, .erase(.nothing))])
        assertViolation([
            RegisterOperation(1, open, put(1)), RegisterOperation(2, 3, .erase(.nothing)),
            RegisterOperation(4, 5, .erase(.nothing)),
        ])
        assertViolation([
            RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, .read(nil)),
            RegisterOperation(5, open, .erase(.nothing)),
        ])
    }

    func testAnUnknownErasureMayNeedAnUnknownWrite() {
        assertLinearizable([
            RegisterOperation(1, 2, put(1, stamp: 1)), RegisterOperation(3, open, put(2, stamp: 2, .present)),
            RegisterOperation(4, open, .erase(.exactly(Sight(2, stamp: 2)))), RegisterOperation(5, 6, .read(nil)),
        ])
    }

    func testConditions() {
        let first = RegisterOperation(1, 2, put(1, stamp: 1))
        let match = Requirement.exactly(Sight(1, stamp: 1))
        assertLinearizable([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)), RegisterOperation(5, 6, get(2, stamp: 2)),
        ])
        assertViolation([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)), RegisterOperation(3, 4, put(3, stamp: 3, match)),
        ])
        assertLinearizable([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)),
            RegisterOperation(3, 4, .mismatch(required: match, met: Sight(2, stamp: 2))),
        ])
        assertViolation([first, RegisterOperation(3, 4, .mismatch(required: match, met: Sight(1, stamp: 1)))])
        assertViolation([first, RegisterOperation(3, 4, .mismatch(required: match, met: nil))])
        assertViolation([first, RegisterOperation(3, 4, put(2, stamp: 2, .absent))])
        assertLinearizable([first, RegisterOperation(3, 4, .mismatch(required: .absent, met: Sight(1, stamp: 1)))])
        assertViolation([RegisterOperation(1, 2, put(1, .present))])
    }

    func testAValueMayGetALaterStampButNeverAnEarlierOne() {
        let first = RegisterOperation(1, 2, put(1, stamp: 1))
        assertLinearizable([
            first, RegisterOperation(3, 4, get(1, stamp: 1)), RegisterOperation(5, 6, get(1, stamp: 2)),
        ])
        assertViolation([first, RegisterOperation(3, 4, get(1, stamp: 2)), RegisterOperation(5, 6, get(1, stamp: 1))])
        assertLinearizable([
            first, RegisterOperation(3, 4, .mismatch(required: .exactly(Sight(1, stamp: 1)), met: Sight(1, stamp: 2))),
        ])
        assertViolation([
            first, RegisterOperation(3, 4, get(1, stamp: 2)),
            RegisterOperation(5, 6, put(2, stamp: 3, .exactly(Sight(1, stamp: 1)))),
        ])
    }

    func testListings() {
        assertViolation([RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, .presence(false))])
        assertLinearizable([RegisterOperation(1, 4, put(1)), RegisterOperation(3, 4, .presence(false))])
        assertViolation([RegisterOperation(1, 2, .presence(true)), RegisterOperation(3, 4, put(1))])
    }

    func testExpiry() {
        let history = [RegisterOperation(1, 2, put(1)), RegisterOperation(10, 10, .expire(1))]
        assertLinearizable(history + [RegisterOperation(5, 6, get(1)), RegisterOperation(11, 12, .read(nil))])
        assertViolation(history + [RegisterOperation(5, 6, .read(nil))])
        assertViolation(history + [RegisterOperation(11, 12, get(1))])
        assertLinearizable([
            RegisterOperation(8, 12, put(1)), RegisterOperation(10, 10, .expire(1)),
            RegisterOperation(13, 14, .read(nil)),
        ])
        assertLinearizable([
            RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, put(2)), RegisterOperation(10, 10, .expire(1)),
            RegisterOperation(11, 12, get(2)),
        ])
        assertViolation([
            RegisterOperation(11, 12, put(1)), RegisterOperation(10, 10, .expire(1)), RegisterOperation(13, 14, get(1)),
        ])
    }

    func testAWriteMayComeAfterItsOwnExpiryAndEndWhatWasThere() {
        assertLinearizable([
            RegisterOperation(1, 30, put(1)), RegisterOperation(10, 10, .expire(1)), RegisterOperation(20, 25, put(2)),
            RegisterOperation(26, 27, get(2)), RegisterOperation(31, 32, .read(nil)),
        ])
    }

    func testALongHistoryWithManyUnknownsIsQuick() {
        var history: [RegisterOperation] = []
        for round in 0..<200 {
            let start = UInt64(round * 10)
            let write = round * 3 + 1
            history.append(RegisterOperation(start, start + 12, put(write)))
            history.append(RegisterOperation(start + 2, round % 4 == 0 ? open : start + 15, put(write + 1)))
            history.append(RegisterOperation(start + 16, start + 19, get(write)))
        }
        XCTAssertNotEqual(LinearizabilityChecker.check(history), .undecided)
        history.append(RegisterOperation(9000, 9001, .read(nil)))
        assertViolation(history)
    }

    /// The search against every order of every subset that the definition allows.
    func testAgainstBruteForceOnRandomHistories() {
        var random = SeededRandom(seed: 7)
        var tally = [LinearizabilityChecker.Verdict: Int]()
        for _ in 0..<10000 {
            let history = randomHistory(&random)
            let expected: LinearizabilityChecker.Verdict =
                isExplained(history, done: 0, write: 0, stamp: 0) ? .linearizable : .violation
            XCTAssertEqual(LinearizabilityChecker.check(history), expected, "\(history)")
            tally[expected, default: 0] += 1
        }
        XCTAssertGreaterThan(tally[.linearizable, default: 0], 400)
        XCTAssertGreaterThan(tally[.violation, default: 0], 400)
    }

    private func randomHistory(_ random: inout SeededRandom) -> [RegisterOperation] {
        let writes = 1 + random.below(3)
        func sight(_ random: inout SeededRandom) -> Sight { Sight(1 + random.below(writes), stamp: random.below(4)) }
        func requirement(_ random: inout SeededRandom) -> Requirement {
            [.nothing, .nothing, .absent, .present, .exactly(sight(&random))][random.below(5)]
        }
        func interval(_ random: inout SeededRandom) -> (UInt64, UInt64) {
            let start = random.below(UInt64(20))
            return (start, start + 1 + random.below(UInt64(12)))
        }
        var history: [RegisterOperation] = []
        for write in 1...writes {
            let (start, end) = interval(&random)
            let step = Step.write(Sight(write, stamp: random.below(3)), requirement(&random))
            history.append(RegisterOperation(start, random.chance(0.3) ? open : end, step))
            guard random.chance(0.3) else { continue }
            let expiry = start + random.below(UInt64(16))
            history.append(RegisterOperation(expiry, expiry, .expire(write)))
        }
        for _ in 0..<(1 + random.below(3)) {
            let (start, end) = interval(&random)
            switch random.below(6) {
            case 0: history.append(RegisterOperation(start, end, .read(nil)))
            case 1, 2: history.append(RegisterOperation(start, end, .read(sight(&random))))
            case 3: history.append(RegisterOperation(start, end, .presence(random.chance(0.5))))
            case 4:
                let step = Step.erase(requirement(&random))
                history.append(RegisterOperation(start, random.chance(0.4) ? open : end, step))
            default:
                let met = random.chance(0.3) ? nil : sight(&random)
                history.append(RegisterOperation(start, end, .mismatch(required: requirement(&random), met: met)))
            }
        }
        return history
    }

    private func isExplained(_ history: [RegisterOperation], done: Int, write: Int, stamp: Int) -> Bool {
        let left: [Int] = history.indices.filter { index in done >> index & 1 == 0 }
        if left.allSatisfy({ history[$0].completed == open }) { return true }
        let limit: UInt64 = left.map { history[$0].completed }.min() ?? open
        for index in left where history[index].invoked <= limit {
            guard let next = naive(history, index, done: done, write: write, stamp: stamp) else { continue }
            if isExplained(history, done: done | 1 << index, write: next.0, stamp: next.1) { return true }
        }
        return false
    }

    private func naive(_ history: [RegisterOperation], _ index: Int, done: Int, write: Int, stamp: Int) -> (Int, Int)? {
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
            let expiry = Step.expire(sight.write)
            let ended: Bool = history.indices.contains { index in
                let isDone: Bool = done >> index & 1 == 1
                return isDone && history[index].step == expiry
            }
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
