import XCTest

@testable import KVCore

final class DecimalTests: XCTestCase {
    func testIntegersAreTakenInOneNotationOnly() {
        for number in [0, 1, -1, 10, 909, Int64.max, .min, .max - 1, .min + 1] {
            XCTAssertEqual(DecimalInteger.value(of: Array("\(number)".utf8)), number)
        }
        for text in [
            "", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1.0", "1e3", "0x1", "a", "1a", "--1", "１",
            "9223372036854775808", "-9223372036854775809", "99999999999999999999", "100000000000000000000", "1\0", "\n",
        ] {
            XCTAssertNil(DecimalInteger.value(of: Array(text.utf8)), text)
        }
        XCTAssertNil(DecimalInteger.value(of: [0xff, 0xfe]))
    }

    private func text(_ text: String) -> String? {
        DecimalNumber.value(of: Array(text.utf8)).map { String(decoding: DecimalNumber.text(of: $0), as: UTF8.self) }
    }

    func testNumbersArePrintedWithoutExponentAndZerosAtTheEnd() {
        for (given, printed) in [
            ("0", "0"), ("-0", "0"), ("1", "1"), ("10.50", "10.5"), ("3.0e3", "3000"), ("5.0e3", "5000"),
            ("-2.5", "-2.5"),
            (".5", "0.5"), ("1.", "1"), ("+7", "7"), ("007", "7"), ("0x10", "16"), ("0x1p-1", "0.5"),
            ("1e-17", "0.00000000000000001"),
            ("1e-18", "0"), ("6e-18", "0.00000000000000001"), ("-4e-18", "0"), ("1e22", "10000000000000000000000"),
            ("123456789.125", "123456789.125"), ("0.99999999999999999999999", "1"), ("1e18", "1000000000000000000"),
        ] {
            XCTAssertEqual(text(given), printed, given)
        }
    }

    func testWhatIsNoNumber() {
        for text in [
            "", " ", " 1", "1 ", "1\t", "abc", "1abc", "1,5", "1.5.5", "e5", ".", "-", "+", "--1", "nan", "NaN", "-nan",
            "1e",
            "1e+", "0x", "1\0", "１", "1e999999", "-1e999999", "1e-999999", "0x1p-99999", "infinit", "Infinitely",
            String(repeating: "0", count: 5120),
        ] {
            XCTAssertNil(DecimalNumber.value(of: Array(text.utf8)), text)
        }
        XCTAssertNil(DecimalNumber.value(of: [0xff]))
        for text in ["inf", "-inf", "Infinity", "+INF"] {
            XCTAssertEqual(DecimalNumber.value(of: Array(text.utf8))?.isInfinite, true, text)
        }
        for text in ["0e99999", "0.000", "-0.0e5", "0x0p5"] {
            XCTAssertEqual(DecimalNumber.value(of: Array(text.utf8)), 0, text)
        }
    }

    /// The decimal digits of a power of two are the same in each floating-point format.
    func testVeryLargeAndVerySmallNumbersArePrintedExactly() {
        let large = DecimalNumber.Number(sign: .plus, exponent: 200, significand: 1)
        XCTAssertEqual(
            String(decoding: DecimalNumber.text(of: large), as: UTF8.self),
            "1606938044258990275541962092341162602522202993782792835301376")
        let largest = DecimalNumber.text(of: -DecimalNumber.Number.greatestFiniteMagnitude)
        XCTAssertEqual(largest.first, UInt8(ascii: "-"))
        XCTAssertEqual(DecimalNumber.value(of: largest), -DecimalNumber.Number.greatestFiniteMagnitude)
        XCTAssertEqual(DecimalNumber.text(of: .leastNonzeroMagnitude), [UInt8(ascii: "0")])
        // Half of the last digit goes to the even neighbour.
        XCTAssertEqual(text("0x1p-18"), "0.00000381469726562")
        XCTAssertEqual(text("0x3p-18"), "0.00001144409179688")
    }

    /// A number of 53 bits, as most languages print it, is the same after it has been read in whatever precision.
    func testPrintingComesBack() {
        var random = SplitMix(seed: 5)
        for _ in 0..<5000 {
            let number = Double(
                sign: random.next() & 1 == 0 ? .plus : .minus, exponent: Int(random.next() % 300),
                significand: Double(random.next() >> 12) * 0x1p-52 + 1)
            let text = DecimalNumber.text(of: DecimalNumber.Number(number))
            XCTAssertEqual(
                DecimalNumber.value(of: text).map { Double($0) }, number, String(decoding: text, as: UTF8.self))
        }
    }
}
