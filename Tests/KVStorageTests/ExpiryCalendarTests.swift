import KVCore
import XCTest

@testable import KVStorage

/// Tests the wheel of expiries against a plain dictionary.
final class ExpiryCalendarTests: XCTestCase {
    private static let start: UInt64 = 1_700_000_000_000
    private static let tick: UInt64 = 16

    /// A calendar, and what should be in it.
    private final class Run {
        var calendar = ExpiryCalendar()
        var expiries: [Int: UInt64] = [:]
        var wall = ExpiryCalendarTests.start
        var random: SplitMix

        init(seed: UInt64) { random = SplitMix(seed: seed) }

        func below(_ bound: UInt64) -> UInt64 { random.next() % bound }

        /// Mostly near, at times long gone or far away.
        private func someExpiry() -> UInt64 {
            switch below(10) {
            case 0: 1 + below(wall)
            case 1: wall + below(1 << 40)
            case 2: UInt64.max - below(3)
            case 3, 4: wall + below(10_000_000)
            default: wall + below(5000)
            }
        }

        func change() {
            let entry = Int(below(600))
            let old = expiries[entry]
            let new = below(3) == 0 ? nil : someExpiry()
            expiries[entry] = new
            switch (old, new) {
            case (nil, nil): break
            case (nil, let new?): calendar.add(entry, new)
            case (let old?, nil): calendar.remove(entry, old)
            case (let old?, let new?): calendar.change(entry, from: old, to: new)
            }
        }

        /// Gives an entry another number, as an index does that shrinks.
        func move() {
            let (old, new) = (Int(below(300)), 300 + Int(below(300)))
            guard let expiry = expiries[old], expiries[new] == nil else { return }
            expiries[old] = nil
            expiries[new] = expiry
            calendar.move(old, to: new, expiry)
        }

        /// Lets time pass, and returns the entries that are due.
        func advance(by milliseconds: UInt64, filing: Int, limit: Int = .max) -> [Int] {
            wall += milliseconds
            let expiries = expiries
            let filed = calendar.advance(to: wall, filing: filing) { expiries[$0] ?? 0 }
            XCTAssertLessThanOrEqual(filed, filing)
            var due: [Int] = []
            let visited = calendar.forEachDue(limit: limit) { due.append($0) }
            XCTAssertEqual(visited, due.count)
            return due
        }

        var flaw: String? {
            let expiries = expiries
            return calendar.flaw { expiries[$0] ?? 0 }
        }
    }

    func testWhatHasExpiredIsFoundAndNothingElse() {
        for seed: UInt64 in 1...30 {
            let run = Run(seed: seed)
            for step in 0..<300 {
                for _ in 0..<run.below(20) { run.below(8) == 0 ? run.move() : run.change() }
                let leap = [1, 20, 300, 5000, 100_000, 40_000_000][Int(run.below(6))]
                let due = run.advance(by: run.below(UInt64(leap)), filing: .max)
                XCTAssertNil(run.flaw)
                XCTAssertEqual(run.calendar.count, run.expiries.count)
                let expected = run.expiries.filter { $0.value / Self.tick < run.wall / Self.tick }
                XCTAssertEqual(due.sorted(), expected.keys.sorted(), "seed \(seed), step \(step)")
                let first = run.expiries.values.min()
                XCTAssertEqual(run.calendar.next == nil, first == nil)
                if let first, let next = run.calendar.next {
                    XCTAssertLessThanOrEqual(next, first.addingSaturating(Self.tick))
                }
            }
        }
    }

    /// Entries that are filed in slices are all found in the end, whatever changes meanwhile.
    func testFilingInSlicesLosesNothing() {
        for seed: UInt64 in 1...10 {
            let run = Run(seed: seed)
            for _ in 0..<200 {
                for _ in 0..<run.below(40) { run.change() }
                let due = run.advance(by: run.below(3000), filing: Int(run.below(10)))
                XCTAssertNil(run.flaw)
                XCTAssertTrue(due.allSatisfy { (run.expiries[$0] ?? .max) <= run.wall })
            }
            var due: [Int] = []
            for _ in 0..<4000 { due = run.advance(by: 0, filing: 1) }
            let expected = run.expiries.filter { $0.value / Self.tick < run.wall / Self.tick }
            XCTAssertEqual(due.sorted(), expected.keys.sorted(), "seed \(seed)")
        }
    }

    /// A leader that looks for the first time finds the entries at once; before, the calendar named no time that is
    /// too late.
    func testTimeMayPassWithoutALook() {
        let run = Run(seed: 1)
        for entry in 0..<100 {
            run.expiries[entry] = Self.start + UInt64(entry) * 1000
            run.calendar.add(entry, Self.start + UInt64(entry) * 1000)
        }
        XCTAssertLessThan(run.calendar.next ?? .max, Self.start + Self.tick)
        XCTAssertEqual(run.advance(by: 50_000, filing: .max).sorted(), Array(0..<50))
        XCTAssertEqual(run.calendar.next, 0)
    }

    func testTheNextLookBeginsWithOthers() {
        let run = Run(seed: 1)
        for entry in 0..<10 {
            run.expiries[entry] = 1
            run.calendar.add(entry, 1)
        }
        var looks: [Set<Int>] = []
        for _ in 0..<3 { looks.append(Set(run.advance(by: 100, filing: 0, limit: 4))) }
        XCTAssertEqual(looks.map(\.count), [4, 4, 4])
        XCTAssertEqual(looks[0].union(looks[1]).union(looks[2]), Set(0..<10))
    }
}

extension UInt64 {
    fileprivate func addingSaturating(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
