import XCTest

@testable import KVSimulator

final class LinearizabilityCheckerTests: XCTestCase {
    private let open = RegisterOperation.open

    private func put(_ write: Int, stamp: Int = 0, _ requirement: Requirement = .nothing) -> Step {
        .write(SeenValue(write, stamp: stamp), requirement)
    }

    private func get(_ write: Int, stamp: Int = 0) -> Step { .read(SeenValue(write, stamp: stamp)) }

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

    func testAnOpenChangeThatWasSeenIsInTheOrder() {
        let number = 5 << 40
        let history = [
            RegisterOperation(1, open, put(number)), RegisterOperation(2, open, .add(Content.amount(6))),
            RegisterOperation(3, open, .rewrite(SeenValue(7), .exactly(SeenValue(number + Content.amount(6))))),
            RegisterOperation(10, 11, get(7)),
        ]
        assertLinearizable(history)
        assertLinearizable(history + [RegisterOperation(12, 13, get(7))])
        assertViolation(history + [RegisterOperation(12, 13, get(number))])
        assertViolation(history.dropFirst() + [RegisterOperation(0, open, put(8))])
        assertViolation([RegisterOperation(5, open, put(1)), RegisterOperation(1, 2, get(1))])
        assertLinearizable([
            RegisterOperation(1, open, put(1)), RegisterOperation(2, 9, get(1)), RegisterOperation(3, 4, .read(nil)),
        ])
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
            RegisterOperation(4, open, .erase(.exactly(SeenValue(2, stamp: 2)))), RegisterOperation(5, 6, .read(nil)),
        ])
    }

    func testConditions() {
        let first = RegisterOperation(1, 2, put(1, stamp: 1))
        let match = Requirement.exactly(SeenValue(1, stamp: 1))
        assertLinearizable([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)), RegisterOperation(5, 6, get(2, stamp: 2)),
        ])
        assertViolation([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)), RegisterOperation(3, 4, put(3, stamp: 3, match)),
        ])
        assertLinearizable([
            first, RegisterOperation(3, 4, put(2, stamp: 2, match)),
            RegisterOperation(3, 4, .mismatch(required: match, met: SeenValue(2, stamp: 2))),
        ])
        assertViolation([first, RegisterOperation(3, 4, .mismatch(required: match, met: SeenValue(1, stamp: 1)))])
        assertViolation([first, RegisterOperation(3, 4, .mismatch(required: match, met: nil))])
        assertViolation([first, RegisterOperation(3, 4, put(2, stamp: 2, .absent))])
        assertLinearizable([first, RegisterOperation(3, 4, .mismatch(required: .absent, met: SeenValue(1, stamp: 1)))])
        assertViolation([RegisterOperation(1, 2, put(1, .present))])
    }

    func testAValueMayGetALaterStampButNeverAnEarlierOne() {
        let first = RegisterOperation(1, 2, put(1, stamp: 1))
        assertLinearizable([
            first, RegisterOperation(3, 4, get(1, stamp: 1)), RegisterOperation(5, 6, get(1, stamp: 2)),
        ])
        assertViolation([first, RegisterOperation(3, 4, get(1, stamp: 2)), RegisterOperation(5, 6, get(1, stamp: 1))])
        assertLinearizable([
            first,
            RegisterOperation(3, 4, .mismatch(required: .exactly(SeenValue(1, stamp: 1)), met: SeenValue(1, stamp: 2))),
        ])
        assertViolation([
            first, RegisterOperation(3, 4, get(1, stamp: 2)),
            RegisterOperation(5, 6, put(2, stamp: 3, .exactly(SeenValue(1, stamp: 1)))),
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

    // MARK: Updates

    private let base = 1 << 40
    private let amounts = [Content.amount(5), Content.amount(6)]

    func testSumsAreTold() {
        let first = RegisterOperation(1, 2, put(base))
        let add = RegisterOperation(3, 4, .rewrite(SeenValue(base + amounts[0]), .exactly(SeenValue(base))))
        assertLinearizable([first, add, RegisterOperation(5, 6, get(base + amounts[0]))])
        assertViolation([first, add, RegisterOperation(5, 6, get(base))])
        assertViolation([first, RegisterOperation(3, 4, .rewrite(SeenValue(amounts[0]), .absent))])
    }

    func testAnUnknownAdditionIsMadeOnceOrNever() {
        let first = RegisterOperation(1, 2, put(base))
        let unknown = RegisterOperation(3, open, .add(amounts[0]))
        let second = RegisterOperation(7, open, .add(amounts[1]))
        assertLinearizable([first, unknown, RegisterOperation(5, 6, get(base))])
        assertLinearizable([first, unknown, RegisterOperation(5, 6, get(base + amounts[0]))])
        assertLinearizable([first, unknown, second, RegisterOperation(9, 10, get(base + amounts[0] + amounts[1]))])
        assertViolation([first, unknown, second, RegisterOperation(5, 6, get(base + amounts[1]))])
        assertViolation([
            first, unknown, RegisterOperation(5, 6, get(base + amounts[0])), RegisterOperation(7, 8, get(base)),
        ])
        assertLinearizable([unknown, RegisterOperation(5, 6, .presence(true))])
        assertViolation([RegisterOperation(1, 2, put(1)), unknown, RegisterOperation(5, 6, get(1 + amounts[0]))])
    }

    func testASumNeedsTheUnknownPutThatItBeganWith() {
        assertLinearizable([
            RegisterOperation(1, open, put(base)), RegisterOperation(1, open, .add(amounts[0])),
            RegisterOperation(3, 4, get(base + amounts[0])),
        ])
    }

    func testWhatIsNoNumberIsNotAddedTo() {
        assertLinearizable([RegisterOperation(1, 2, put(1)), RegisterOperation(3, 4, .unmet(.number))])
        assertViolation([RegisterOperation(1, 2, put(base)), RegisterOperation(3, 4, .unmet(.number))])
        assertViolation([RegisterOperation(3, 4, .unmet(.number))])
        assertLinearizable([
            RegisterOperation(1, 2, put(base)), RegisterOperation(1, open, put(1)),
            RegisterOperation(3, 4, .unmet(.number)),
        ])
    }

    func testARewrittenValueKeepsItsEndAndAScheduledOneGetsAnother() {
        let first = [RegisterOperation(1, 2, put(1)), RegisterOperation(10, 10, .expire(1))]
        let append = RegisterOperation(3, 4, .rewrite(SeenValue(2), .exactly(SeenValue(1))))
        assertLinearizable(first + [append, RegisterOperation(11, 12, .read(nil))])
        assertViolation(first + [append, RegisterOperation(11, 12, get(2))])
        let later = RegisterOperation(20, 20, .expire(3))
        let schedule = RegisterOperation(5, 6, .schedule(3, .present))
        assertLinearizable(first + [schedule, later, RegisterOperation(11, 12, get(1))])
        assertViolation(first + [schedule, later, RegisterOperation(21, 22, get(1))])
        let persist = RegisterOperation(5, 6, .schedule(4, .expiring))
        assertLinearizable(first + [persist, RegisterOperation(21, 22, get(1))])
        assertViolation(first + [persist, RegisterOperation(7, 8, .schedule(5, .expiring))])
        assertLinearizable(first + [persist, RegisterOperation(7, 8, .unmet(.expiring))])
    }

    /// The search against every order of every subset that the definition allows.
    func testAgainstBruteForceOnRandomHistories() {
        var random = SeededRandom(seed: 7)
        var tally = [LinearizabilityChecker.Verdict: Int]()
        for round in 0..<40000 {
            let history = round < 10000 ? randomHistory(&random) : randomUpdates(&random)
            let expected: LinearizabilityChecker.Verdict =
                isExplained(history, done: 0, Naive()) ? .linearizable : .violation
            XCTAssertEqual(LinearizabilityChecker.check(history), expected, "\(history)")
            tally[expected, default: 0] += 1
        }
        XCTAssertGreaterThan(tally[.linearizable, default: 0], 1000)
        XCTAssertGreaterThan(tally[.violation, default: 0], 1000)
    }

    private struct Naive {
        var write = 0
        var stamp = 0
        var end = 0
    }

    private func interval(_ random: inout SeededRandom) -> (UInt64, UInt64) {
        let start = random.below(UInt64(20))
        return (start, start + 1 + random.below(UInt64(12)))
    }

    /// Puts of a word and of a number, changes of each, and observations of what may come of them.
    private func randomUpdates(_ random: inout SeededRandom) -> [RegisterOperation] {
        let sums = [amounts[0], amounts[1], base + amounts[0], base + amounts[1], base + amounts[0] + amounts[1]]
        func value(_ random: inout SeededRandom) -> SeenValue { SeenValue(random.pick([1, 2, base] + sums)) }
        func requirement(_ random: inout SeededRandom) -> Requirement {
            random.pick([.nothing, .absent, .present, .expiring, .number, .exactly(value(&random))])
        }
        var history: [RegisterOperation] = []
        func add(_ step: Step, open chance: Double, _ random: inout SeededRandom) {
            let (start, end) = interval(&random)
            history.append(RegisterOperation(start, random.chance(chance) ? open : end, step))
        }
        for write in [1, base] where random.chance(0.8) {
            add(.write(SeenValue(write), random.chance(0.7) ? .nothing : requirement(&random)), open: 0.3, &random)
        }
        if random.chance(0.5) { add(.rewrite(SeenValue(2), requirement(&random)), open: 0.4, &random) }
        if random.chance(0.5) { add(.schedule(3, requirement(&random)), open: 0.4, &random) }
        for amount in amounts where random.chance(0.5) {
            if random.chance(0.5) {
                add(.add(amount), open: 1, &random)
            } else {
                let before = random.pick([0, base])
                let met = before == 0 ? Requirement.absent : .exactly(SeenValue(before))
                add(.rewrite(SeenValue(before + amount), met), open: 0, &random)
            }
        }
        for end in [1, base, 3] where random.chance(0.3) {
            let time = random.below(UInt64(30))
            history.append(RegisterOperation(time, time, .expire(end)))
        }
        for _ in 0..<(1 + random.below(2)) {
            let (start, end) = interval(&random)
            let step: Step =
                switch random.below(4) {
                case 0: .read(random.chance(0.3) ? nil : value(&random))
                case 1: .unmet(requirement(&random))
                case 2: .presence(random.chance(0.5))
                default: .read(value(&random))
                }
            history.append(RegisterOperation(start, end, step))
        }
        return history
    }

    private func randomHistory(_ random: inout SeededRandom) -> [RegisterOperation] {
        let writes = 1 + random.below(3)
        func sight(_ random: inout SeededRandom) -> SeenValue {
            SeenValue(1 + random.below(writes), stamp: random.below(4))
        }
        func requirement(_ random: inout SeededRandom) -> Requirement {
            [.nothing, .nothing, .absent, .present, .exactly(sight(&random))][random.below(5)]
        }
        var history: [RegisterOperation] = []
        for write in 1...writes {
            let (start, end) = interval(&random)
            let step = Step.write(SeenValue(write, stamp: random.below(3)), requirement(&random))
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

    private func isExplained(_ history: [RegisterOperation], done: Int, _ register: Naive) -> Bool {
        let left: [Int] = history.indices.filter { index in done >> index & 1 == 0 }
        if left.allSatisfy({ history[$0].completed == open }) { return true }
        let limit: UInt64 = left.map { history[$0].completed }.min() ?? open
        for index in left where history[index].invoked <= limit {
            guard let next = naive(history, index, done: done, register) else { continue }
            if isExplained(history, done: done | 1 << index, next) { return true }
        }
        return false
    }

    private func naive(_ history: [RegisterOperation], _ index: Int, done: Int, _ register: Naive) -> Naive? {
        func matches(_ sight: SeenValue?) -> Bool {
            guard let sight else { return register.write == 0 }
            return sight.write == register.write && (sight.stamp == 0 || sight.stamp >= register.stamp)
        }
        func after(_ sight: SeenValue?) -> Naive {
            Naive(write: register.write, stamp: max(register.stamp, sight?.stamp ?? 0), end: register.end)
        }
        func meets(_ requirement: Requirement) -> Bool {
            switch requirement {
            case .nothing: true
            case .absent: register.write == 0
            case .present: register.write != 0
            case .exactly(let sight): matches(sight)
            case .expiring: register.end != 0
            case .number: register.write == 0 || register.write >= Content.firstNumber
            }
        }
        func ending(_ write: Int, _ stamp: Int, _ end: Int) -> Naive {
            let expiries = history.indices.filter { history[$0].step == .expire(end) }
            if expiries.contains(where: { done >> $0 & 1 == 1 }) { return Naive() }
            return Naive(write: write, stamp: stamp, end: expiries.isEmpty ? 0 : end)
        }
        switch history[index].step {
        case .read(let sight): return matches(sight) ? after(sight) : nil
        case .presence(let present): return present == (register.write != 0) ? register : nil
        case .write(let sight, let requirement):
            return meets(requirement) ? ending(sight.write, sight.stamp, sight.write) : nil
        case .rewrite(let sight, let requirement):
            return meets(requirement) ? Naive(write: sight.write, stamp: sight.stamp, end: register.end) : nil
        case .add(let amount):
            return meets(.number) ? Naive(write: register.write + amount, stamp: 0, end: register.end) : nil
        case .schedule(let end, let requirement):
            guard register.write != 0, meets(requirement) else { return nil }
            return ending(register.write, register.stamp, end)
        case .erase(let requirement): return register.write != 0 && meets(requirement) ? Naive() : nil
        case .mismatch(let requirement, let met):
            guard matches(met) else { return nil }
            switch requirement {
            case .exactly(let sight): return sight == met ? nil : after(met)
            default: return meets(requirement) ? nil : after(met)
            }
        case .unmet(let requirement): return meets(requirement) ? nil : register
        case .expire(let end): return register.end == end ? Naive() : register
        }
    }
}
