import KVCore
import XCTest

@testable import KVBench

final class ZipfianTests: XCTestCase {
    private func sum(_ count: Int) -> Double {
        (1...count).reversed().reduce(0) { $0 + pow(Double($1), -Zipfian.theta) }
    }

    func testZetaIsTheSumOfTheWeights() {
        for count in [1, 2, 63, 64, 65, 100, 1000, 100_000, 2_000_000] {
            XCTAssertEqual(Zipfian.zeta(count), sum(count), accuracy: 1e-7, "\(count)")
        }
    }

    /// Compares the frequencies of the first ranks, and of all ranks up to some, with the right ones.
    func testSkewIsThatOfTheory() {
        let (count, samples) = (10_000, 400_000)
        let zipfian = Zipfian(count: count)
        var random = SplitMix(seed: 3)
        var seen = [Int](repeating: 0, count: count)
        for _ in 0..<samples { seen[zipfian.rank(at: random.unit())] += 1 }
        let zeta = sum(count)
        // The first two ranks are exact. The tolerance is four standard deviations of a count of this size.
        for rank in 0..<2 {
            let share = pow(Double(rank + 1), -Zipfian.theta) / zeta
            let deviation = (share * (1 - share) / Double(samples)).squareRoot()
            XCTAssertEqual(Double(seen[rank]) / Double(samples), share, accuracy: 4 * deviation)
        }
        // For the others the method is an approximation. The sums up to a rank are right within two hundredths.
        for rank in [10, 100, 1000, 5000] {
            let share = Double(seen[..<rank].reduce(0, +)) / Double(samples)
            XCTAssertEqual(share, sum(rank) / zeta, accuracy: 0.02, "\(rank)")
        }
    }

    func testEveryRankIsInRange() {
        for count in [1, 2, 3, 10] {
            let zipfian = Zipfian(count: count)
            for point in [0, 0.001, 0.3, 0.5, 0.9, 0.999_999, 0x1.fffffffffffffp-1] {
                XCTAssertTrue(0..<count ~= zipfian.rank(at: point), "\(count) \(point)")
            }
            XCTAssertEqual(zipfian.rank(at: 0), 0)
        }
    }

    func testGrowingIsBeginningAnew() {
        var grown = Zipfian(count: 10)
        grown.grow(to: 100_000)
        let anew = Zipfian(count: 100_000)
        grown.grow(to: 5)
        XCTAssertEqual(grown.count, 100_000, "it never shrinks")
        for point in stride(from: 0.0, to: 1, by: 0.01) {
            XCTAssertEqual(grown.rank(at: point), anew.rank(at: point))
        }
    }
}
