import XCTest

@testable import KVCore

/// Tests the evaluation of updates on a record, by tables of what Redis's commands do.
final class UpdateEvaluationTests: XCTestCase {
    private let wall: UInt64 = 10_000
    private let version = Version(1, 1, 1)
    private let later = Expiry(milliseconds: 20_000)

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func record(_ text: String?, _ expiry: Expiry = .never, type: String = "t") -> Record {
        Record(version: version, expiry: expiry, value: text.map(bytes), contentType: type)
    }

    private func evaluate(_ update: Update, _ record: Record?) -> Evaluation {
        let evaluation = Evaluation(.update(update), latest: record?.head, record: record, wall: wall)
        XCTAssertNotEqual(evaluation, .readValue, "the value is at hand")
        return evaluation
    }

    private func update(
        _ change: Update.Change, _ requirement: Update.Requirement = .always, lifetime: Update.LifetimeChange = .keep,
        previous: Bool = false, maximum: Int = 100
    ) -> Update {
        Update(
            change, requirement: requirement, lifetime: lifetime, returnsPrevious: previous, maximumLength: maximum)
    }

    private func written(
        _ text: String?, _ expiry: Expiry = .never, type: String = "t", _ value: UpdateValue = .none
    ) -> Evaluation {
        .write(
            text == nil ? .tombstone : Draft(value: text.map(bytes), expiry: expiry, contentType: type),
            result: .applied(value))
    }

    private func written(_ text: String?, type: String = "t", _ value: UpdateValue) -> Evaluation {
        written(text, .never, type: type, value)
    }

    private func unchanged(_ result: UpdateResult) -> Evaluation { .answer(.updated(nil, result)) }

    // MARK: Requirements

    func testRequirements() {
        let rows: [(Update.Requirement, absent: Bool, lasting: Bool, expiring: Bool)] = [
            (.always, true, true, true), (.absent, true, false, false), (.present, false, true, true),
            (.equals(bytes("v")), false, true, true), (.equals(bytes("w")), false, false, false),
            (.equals([]), false, false, false), (.lasting, false, true, false), (.expiring, false, false, true),
        ]
        for row in rows {
            let set = update(.set(bytes("n"), contentType: "u"), row.0, lifetime: .set(.unlimited))
            let applied = written("n", type: "u")
            let refused = unchanged(.notApplied(.none))
            XCTAssertEqual(evaluate(set, nil), row.absent ? applied : refused, "\(row.0)")
            XCTAssertEqual(evaluate(set, record(nil)), row.absent ? applied : refused, "\(row.0)")
            XCTAssertEqual(
                evaluate(set, record("v", Expiry(milliseconds: wall))), row.absent ? applied : refused, "\(row.0)")
            XCTAssertEqual(evaluate(set, record("v")), row.lasting ? applied : refused, "\(row.0)")
            XCTAssertEqual(evaluate(set, record("v", later)), row.expiring ? applied : refused, "\(row.0)")
        }
    }

    func testRequirementsOfTheNewExpiry() {
        let (early, late) = (Lifetime.until(15_000), Lifetime.until(30_000))
        let rows: [(Update.Requirement, Lifetime, lasting: Bool, expiring: Bool)] = [
            (.laterExpiry, early, false, false), (.laterExpiry, late, false, true),
            (.laterExpiry, .until(20_000), false, false),
            (.laterExpiry, .unlimited, false, true),
            (.earlierExpiry, early, true, true), (.earlierExpiry, late, true, false),
            (.earlierExpiry, .until(20_000), true, false), (.earlierExpiry, .unlimited, false, false),
            (.expiringAndEarlier, early, false, true), (.expiringAndEarlier, late, false, false),
        ]
        for (requirement, lifetime, lasting, expiring) in rows {
            let expire = update(.keep, requirement, lifetime: .set(lifetime))
            let applied = written("v", lifetime.expiry(at: wall))
            let refused = unchanged(.notApplied(.none))
            XCTAssertEqual(evaluate(expire, nil), refused, "\(requirement)")
            XCTAssertEqual(evaluate(expire, record("v")), lasting ? applied : refused, "\(requirement) \(lifetime)")
            XCTAssertEqual(
                evaluate(expire, record("v", later)), expiring ? applied : refused, "\(requirement) \(lifetime)")
        }
    }

    // MARK: Set, remove, keep

    func testSetReplacesValueTypeAndExpiryUnlessToldToKeepThat() {
        let set = update(.set(bytes("n"), contentType: "u"), lifetime: .set(.milliseconds(5)), previous: true)
        XCTAssertEqual(evaluate(set, nil), written("n", Expiry(milliseconds: 10_005), type: "u"))
        XCTAssertEqual(
            evaluate(set, record("v", later)), written("n", Expiry(milliseconds: 10_005), type: "u", .bytes(bytes("v")))
        )
        let keepTTL = update(.set(bytes("n"), contentType: "u"))
        XCTAssertEqual(evaluate(keepTTL, record("v", later)), written("n", later, type: "u"))
        XCTAssertEqual(evaluate(keepTTL, record("v", Expiry(milliseconds: 1))), written("n", type: "u"))
    }

    func testAFailedSetTellsThePreviousValueWhereAsked() {
        let set = update(.set(bytes("n"), contentType: ""), .absent, lifetime: .set(.unlimited), previous: true)
        XCTAssertEqual(evaluate(set, record("v")), unchanged(.notApplied(.bytes(bytes("v")))))
        XCTAssertEqual(evaluate(set, nil), written("n", type: ""))
    }

    func testRemove() {
        XCTAssertEqual(evaluate(update(.remove), record("v")), written(nil))
        XCTAssertEqual(evaluate(update(.remove, previous: true), record("v")), written(nil, .bytes(bytes("v"))))
        XCTAssertEqual(evaluate(update(.remove, previous: true), nil), unchanged(.notApplied(.none)))
        XCTAssertEqual(evaluate(update(.remove, .equals(bytes("w"))), record("v")), unchanged(.notApplied(.none)))
    }

    func testKeepChangesOnlyTheExpiry() {
        XCTAssertEqual(
            evaluate(update(.keep, lifetime: .set(.until(30_000)), previous: true, maximum: 0), record("v")),
            written("v", Expiry(milliseconds: 30_000), .bytes(bytes("v"))))
        XCTAssertEqual(evaluate(update(.keep, .expiring, lifetime: .set(.unlimited)), record("v", later)), written("v"))
        XCTAssertEqual(
            evaluate(update(.keep, .expiring, lifetime: .set(.unlimited)), record("v")), unchanged(.notApplied(.none)))
        XCTAssertEqual(evaluate(update(.keep, lifetime: .set(.unlimited)), nil), unchanged(.notApplied(.none)))
        XCTAssertEqual(
            evaluate(update(.keep, previous: true), record("v", later)), unchanged(.applied(.bytes(bytes("v")))))
        XCTAssertEqual(evaluate(update(.keep, previous: true), nil), unchanged(.notApplied(.none)))
    }

    func testALifetimeThatHasPassedDeletes() {
        let past = Update.LifetimeChange.set(.until(10_000))
        XCTAssertEqual(evaluate(update(.keep, lifetime: past), record("v")), written(nil))
        XCTAssertEqual(evaluate(update(.keep, lifetime: .set(.milliseconds(0))), record("v")), written(nil))
        XCTAssertEqual(evaluate(update(.keep, lifetime: past), nil), unchanged(.notApplied(.none)))
        XCTAssertEqual(evaluate(update(.set(bytes("n"), contentType: ""), lifetime: past), record("v")), written(nil))
    }

    // MARK: Values

    func testAppend() {
        XCTAssertEqual(evaluate(update(.append(bytes("bc"))), record("a", later)), written("abc", later, .integer(3)))
        XCTAssertEqual(evaluate(update(.append(bytes("bc"))), nil), written("bc", type: "", .integer(2)))
        XCTAssertEqual(evaluate(update(.append([])), record("a")), unchanged(.applied(.integer(1))))
        XCTAssertEqual(evaluate(update(.append([])), nil), written("", type: "", .integer(0)))
        XCTAssertEqual(evaluate(update(.append(bytes("bc")), maximum: 3), record("a")), written("abc", .integer(3)))
        XCTAssertEqual(evaluate(update(.append(bytes("bc")), maximum: 2), record("a")), unchanged(.misfit(.tooLong)))
        XCTAssertEqual(evaluate(update(.append(bytes("bc")), maximum: 1), nil), unchanged(.misfit(.tooLong)))
    }

    func testOverwrite() {
        func overwrite(_ offset: Int, _ text: String, maximum: Int = 100) -> Update {
            update(.overwrite(offset: offset, bytes(text)), maximum: maximum)
        }
        XCTAssertEqual(evaluate(overwrite(1, "XY"), record("abcd", later)), written("aXYd", later, .integer(4)))
        XCTAssertEqual(evaluate(overwrite(3, "XY"), record("abcd")), written("abcXY", .integer(5)))
        XCTAssertEqual(evaluate(overwrite(6, "X"), record("abcd")), written("abcd\0\0X", .integer(7)))
        XCTAssertEqual(evaluate(overwrite(2, "X"), nil), written("\0\0X", type: "", .integer(3)))
        XCTAssertEqual(evaluate(overwrite(9, "", maximum: 4), record("abcd")), unchanged(.applied(.integer(4))))
        XCTAssertEqual(evaluate(overwrite(9, ""), nil), unchanged(.applied(.integer(0))))
        XCTAssertEqual(evaluate(overwrite(3, "XY", maximum: 4), record("abcd")), unchanged(.misfit(.tooLong)))
        for offset in [Int.max, .max - 1, -1, .min] {
            XCTAssertEqual(
                evaluate(overwrite(offset, "X"), nil), unchanged(.misfit(.tooLong)), "\(offset)")
        }
    }

    func testAdd() {
        XCTAssertEqual(evaluate(update(.add(5)), record("-7", later)), written("-2", later, .integer(-2)))
        XCTAssertEqual(evaluate(update(.add(.min)), nil), written("\(Int64.min)", type: "", .integer(.min)))
        XCTAssertEqual(evaluate(update(.add(0)), record("0")), written("0", .integer(0)))
        XCTAssertEqual(evaluate(update(.add(1)), record("\(Int64.max)")), unchanged(.misfit(.overflow)))
        XCTAssertEqual(evaluate(update(.add(-1)), record("\(Int64.min)")), unchanged(.misfit(.overflow)))
        for text in ["", "a", "1.5", " 1", "01", "9223372036854775808"] {
            XCTAssertEqual(evaluate(update(.add(1)), record(text)), unchanged(.misfit(.notAnInteger)), text)
        }
    }

    func testAddNumber() {
        func add(_ amount: String, maximum: Int = 100) -> Update { update(.addNumber(bytes(amount)), maximum: maximum) }
        XCTAssertEqual(evaluate(add("0.1"), record("10.50", later)), written("10.6", later, .bytes(bytes("10.6"))))
        XCTAssertEqual(evaluate(add("2.0e2"), record("5.0e3")), written("5200", .bytes(bytes("5200"))))
        XCTAssertEqual(evaluate(add("-5"), nil), written("-5", type: "", .bytes(bytes("-5"))))
        XCTAssertEqual(evaluate(add("1"), record("a")), unchanged(.misfit(.notANumber)))
        XCTAssertEqual(evaluate(add("a"), record("1")), unchanged(.misfit(.notANumber)))
        XCTAssertEqual(evaluate(add("inf"), record("1")), unchanged(.misfit(.notFinite)))
        XCTAssertEqual(evaluate(add("-inf"), record("inf")), unchanged(.misfit(.notFinite)))
        XCTAssertEqual(evaluate(add("0.25", maximum: 3), record("1")), unchanged(.misfit(.tooLong)))
    }

    // MARK: Values that have to be read, and blind updates

    func testTheValueIsReadOnlyWhereItIsNeeded() {
        func needsValue(_ update: Update, _ head: Record) -> Bool {
            Evaluation(.update(update), latest: head.head, record: nil, wall: wall) == .readValue
        }
        let set = Update.Change.set(bytes("n"), contentType: "")
        let future = Update.LifetimeChange.set(.until(30_000))
        let past = Update.LifetimeChange.set(.until(1))
        let (lasting, expiring) = (record("v"), record("v", later))
        for free in [
            update(set, .absent), update(set, .present), update(set), update(.remove), update(.remove, .expiring),
            update(.keep), update(.keep, .lasting, lifetime: future), update(.keep, lifetime: past),
            update(.append([]), .absent), update(.keep, .laterExpiry, lifetime: .set(.until(15_000))),
        ] {
            XCTAssertFalse(needsValue(free, expiring), "\(free)")
        }
        for needy in [
            update(set, .equals([])), update(set, previous: true), update(.remove, previous: true),
            update(.keep, previous: true), update(.keep, lifetime: future), update(.append(bytes("a"))),
            update(.append([])), update(.overwrite(offset: 0, bytes("a"))), update(.add(1)),
            update(.addNumber(bytes("1"))),
        ] {
            XCTAssertTrue(needsValue(needy, lasting), "\(needy)")
            XCTAssertFalse(needsValue(needy, record("v", Expiry(milliseconds: 1))), "\(needy)")
        }
    }

    func testOnlyASetThatLooksAtNothingIsBlind() {
        let set = Update.Change.set(bytes("n"), contentType: "")
        XCTAssert(Command.update(update(set, lifetime: .set(.unlimited))).isBlind)
        for update in [
            update(set), update(set, .present, lifetime: .set(.unlimited)),
            update(set, lifetime: .set(.unlimited), previous: true), update(.remove, lifetime: .set(.unlimited)),
            update(.append(bytes("a")), lifetime: .set(.unlimited)),
        ] {
            XCTAssertFalse(Command.update(update).isBlind, "\(update)")
        }
    }
}
