import XCTest

@testable import KVAPI

final class JSONReaderTests: XCTestCase {
    private func read(_ text: String) throws -> JSONValue { try JSONReader.read(Array(text.utf8)) }

    func testValues() throws {
        XCTAssertEqual(
            try read(" {\"a\" : [ null, true ,false, 0, -12, 9223372036854775807 ], \"b\":{}, \"\":[]}\r\n\t"),
            .object([
                .init(
                    name: "a",
                    value: .array([.null, .bool(true), .bool(false), .integer(0), .integer(-12), .integer(.max)])
                ),
                .init(name: "b", value: .object([])), .init(name: "", value: .array([])),
            ]))
        XCTAssertEqual(
            try read(#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é""#), .string("a\"\\/\u{8}\u{C}\n\r\t\u{e9}\u{1F600}é"))
    }

    func testWhatIsNoJSON() {
        for (text, byte, message) in [
            ("", 0, "it ends where a value should be"),
            ("[1,]", 3, "a value should be here"),
            ("[1 2]", 3, "a comma or ] should be here"),
            ("{a:1}", 1, "a name in double quotes should be here"),
            ("{\"a\" 1}", 5, "a colon should be here"),
            ("{\"a\":1,}", 7, "a name in double quotes should be here"),
            ("{\"a\":1,\"a\":2}", 7, "the name 'a' is there twice"),
            ("{\"a\":1", 6, "a comma or } should be here"),
            ("{} x", 3, "there is something behind its end"),
            ("nul", 0, "a value should be here"),
            ("01", 0, "this number is not one of JSON's, or too large"),
            ("-", 0, "this number is not one of JSON's, or too large"),
            ("9223372036854775808", 0, "this number is not one of JSON's, or too large"),
            ("[1.5]", 1, "a number must be whole here"),
            ("1e3", 0, "a number must be whole here"),
            ("\"a", 2, "it ends within a string"),
            ("\"\\", 2, "it ends within a string"),
            ("\"\n\"", 1, "a control character must be escaped in a string"),
            (#""\x""#, 1, "JSON has no such escape"),
            (#""\u12g4""#, 1, "this escape names no character"),
            (#""\u12""#, 1, "this escape names no character"),
            (#""\uD83D""#, 1, "this escape names no character"),
            (#""\uDE00""#, 1, "this escape names no character"),
            (#""\uD83D\u0041""#, 1, "this escape names no character"),
            (String(repeating: "[", count: 100), 8, "it is nested more than 8 deep"),
        ] {
            XCTAssertThrowsError(try read(text), text) {
                XCTAssertEqual($0 as? JSONProblem, JSONProblem(byte: byte, message: message), text)
            }
        }
        XCTAssertThrowsError(try JSONReader.read([0x22, 0xFF, 0x22]))
    }

    /// No bytes make it trap, and what it reads reads the same when cut short only at the end.
    func testMutilatedTexts() {
        let text = Array(
            #"{"join":[{"id":"n4","weight":-17,"zone":"\u00e9\uD83D\uDE00"}],"dry_run":true,"x":null}"#.utf8)
        for count in text.indices { XCTAssertThrowsError(try JSONReader.read(Array(text[..<count]))) }
        for index in text.indices {
            for byte in [0x00, 0x22, 0x2C, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x30, 0x75, 0xFF] as [UInt8] {
                var mutilated = text
                mutilated[index] = byte
                _ = try? JSONReader.read(mutilated)
            }
        }
    }
}
