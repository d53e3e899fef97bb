import XCTest

@testable import KVAPI

final class RESPGlobTests: XCTestCase {
    func testPatterns() {
        for (pattern, matching, others) in [
            ("", [""], ["a"]), ("*", ["", "a"], []), ("**", ["", "ab"], []), ("a*", ["a", "ab"], ["", "ba"]),
            ("*a", ["a", "ba"], ["", "ab"]), ("a*a", ["aa", "aba"], ["a", "ab"]), ("?", ["a"], ["", "ab"]),
            ("*b*", ["b", "abc"], ["", "ac"]), ("*ab*ab*", ["abab", "xabyabz"], ["ab", "aab"]),
            ("h[ae]llo", ["hello", "hallo"], ["hillo", "hllo"]), ("h[^e]llo", ["hallo"], ["hello"]),
            ("[a-c]x", ["ax", "cx"], ["dx"]), ("\\*", ["*"], ["a"]), ("a\\", ["a\\"], ["a"]), ("[z-x]", ["y"], ["a"]),
            ("*[0-9]?z", ["1az", "x22z"], ["1z", "xaz"]),
            ("user:*:name", ["user:1:name", "user::name"], ["user:name"]),
            ("[ab", ["a", "b"], ["c"]),
        ] as [(String, [String], [String])] {
            let glob = RESPGlob(Array(pattern.utf8))
            for text in matching { XCTAssertTrue(glob.matches(Array(text.utf8)), "\(pattern) \(text)") }
            for text in others { XCTAssertFalse(glob.matches(Array(text.utf8)), "\(pattern) \(text)") }
        }
    }

    /// The quick one against one that tries everything.
    func testItAgreesWithTheNaive() {
        var random = SplitMix(state: 11)
        for _ in 0..<20_000 {
            let pattern = (0..<Int.random(in: 0..<9, using: &random)).map { _ in
                Array("ab*?*".utf8).randomElement(using: &random) ?? 0
            }
            let text = (0..<Int.random(in: 0..<10, using: &random)).map { _ in
                Array("ab".utf8).randomElement(using: &random) ?? 0
            }
            XCTAssertEqual(
                RESPGlob(pattern).matches(text), naive(pattern[...], text[...]),
                "\(String(decoding: pattern, as: UTF8.self)) \(String(decoding: text, as: UTF8.self))")
        }
    }

    private func naive(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == UInt8(ascii: "*") {
            return naive(pattern.dropFirst(), text) || (!text.isEmpty && naive(pattern, text.dropFirst()))
        }
        guard let byte = text.first, first == UInt8(ascii: "?") || first == byte else { return false }
        return naive(pattern.dropFirst(), text.dropFirst())
    }

    func testPartsLongerThanAWord() {
        for length in [63, 64, 65, 128, 129] {
            let run = String(repeating: "a", count: length) + "b"
            let glob = RESPGlob(Array("*\(run)*".utf8))
            XCTAssertTrue(glob.matches(Array("x\(String(repeating: "a", count: 50))\(run)y".utf8)), "\(length)")
            XCTAssertFalse(glob.matches(Array("x\(run.dropFirst())y".utf8)), "\(length)")
        }
    }

    /// 1000 keys of 4 KB that nearly match took 19 s.
    func testTheWorstPatternIsNoWork() {
        let glob = RESPGlob(Array("*\(String(repeating: "a", count: 2000))b".utf8) + Array("*".utf8))
        let key = [UInt8](repeating: UInt8(ascii: "a"), count: 4096)
        let start = ContinuousClock.now
        for _ in 0..<20 { XCTAssertFalse(glob.matches(key)) }
        XCTAssertLessThan(ContinuousClock.now - start, .seconds(4), "20 keys, not optimized")
        XCTAssertLessThan(glob.cost(of: key.count), 4096 * 16)
    }
}
