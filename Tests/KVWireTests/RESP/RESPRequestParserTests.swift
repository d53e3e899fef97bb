import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class RESPRequestParserTests: XCTestCase {
    private typealias Step = RESPRequestParser.Step

    /// What a parser makes of a stream.
    private struct Reading: Equatable {
        var requests: [[String]] = []
        var excesses: [RESPRequestParser.Excess] = []
        var failure: RESPProtocolError?
        /// Bytes left that are part of a request still to come.
        var rest = 0
    }

    private func read(
        _ pieces: [[UInt8]], _ limits: RESPRequestParser.Limits = .init(argument: 100, request: 1000)
    ) -> Reading {
        var parser = RESPRequestParser(limits: limits)
        var input = ByteBuffer()
        var reading = Reading()
        for piece in pieces {
            input.discardReadBytes()
            input.writeBytes(piece)
            loop: while true {
                switch parser.next(&input) {
                case .request:
                    reading.requests.append(
                        parser.withArguments(input) { arguments in
                            (0..<arguments.count).map { String(decoding: arguments[$0], as: UTF8.self) }
                        })
                case .oversized(let excess): reading.excesses.append(excess)
                case .incomplete: break loop
                case .failed(let failure):
                    reading.failure = failure
                    break loop
                }
            }
        }
        reading.rest = reading.failure == nil ? input.readableBytes : 0
        return reading
    }

    private func read(_ text: String) -> Reading { read([Array(text.utf8)]) }

    func testRequests() {
        let table: [(String, [[String]])] = [
            ("*1\r\n$4\r\nPING\r\n", [["PING"]]),
            ("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [["GET", ""]]),
            ("*1\r\n$1\r\na\r\n*2\r\n$1\r\nb\r\n$2\r\n\r\n\r\n", [["a"], ["b", "\r\n"]]),
            ("*0\r\n*-1\r\n*-99\r\n*1\r\n$1\r\na\r\n", [["a"]]),
            ("ping\r\n", [["ping"]]),
            ("\r\n \n  get  a\tb \n", [["get", "a", "b"]]),
            ("set a \"x y\\n\\x41\\\"\\q\"\r\n", [["set", "a", "x y\nA\"q"]]),
            (#"set 'a\'b' "" '\n'"# + "\n", [["set", "a'b", "", "\\n"]]),
            ("a\"b c\" d\n", [["ab c", "d"]]),
            ("get a\0b\n", [["get", "a"]]),
            ("ping\r\n*1\r\n$4\r\nPING\r\nping\n", [["ping"], ["PING"], ["ping"]]),
        ]
        for (text, expected) in table {
            XCTAssertEqual(read(text), Reading(requests: expected), text)
        }
    }

    /// What comes is the same wherever the stream is cut.
    func testRequestsArriveInAnyPieces() {
        let text = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$11\r\nhello world\r\nget \"a b\"\r\n*0\r\n*1\r\n$4\r\nPING\r\n"
        let bytes = Array(text.utf8)
        let expected = read([bytes])
        XCTAssertEqual(expected.requests, [["SET", "a", "hello world"], ["get", "a b"], ["PING"]])
        for cut in 0...bytes.count {
            XCTAssertEqual(read([Array(bytes[..<cut]), Array(bytes[cut...])]), expected, "cut at \(cut)")
        }
        XCTAssertEqual(read(bytes.map { [$0] }), expected)
    }

    func testFailures() {
        let long = String(repeating: "1", count: 70_000)
        let table: [(String, RESPProtocolError)] = [
            ("*x\r\n", .count), ("*\r\n", .count), ("*01\r\n", .count), ("*1 \r\n", .count), ("*+1\r\n", .count),
            ("*1048577\r\n", .count), ("*99999999999999999999\r\n", .count), ("*\(long)", .longCount),
            ("*1\r\n+a\r\n", .mark(0x2b)), ("*1\r\nfoo\r\n", .mark(0x66)), ("*1\r\n\r\n", .mark(0x0d)),
            ("*1\r\n$-1\r\n", .length), ("*1\r\n$x\r\n", .length), ("*1\r\n$536870913\r\n", .length),
            ("*1\r\n$\(long)", .longLength), (long, .longInline), (long + "\n", .longInline),
            ("a \"b\n", .quotes), ("a 'b\n", .quotes), ("a \"b\"c\n", .quotes), ("'a'b\n", .quotes),
        ]
        for (text, expected) in table {
            XCTAssertEqual(read(text).failure, expected, String(text.prefix(30)))
            XCTAssertEqual(read("*1\r\n$1\r\na\r\n" + text).requests, [["a"]], "what came before is served")
            let pieces = text.utf8.count < 100 ? text.utf8.map { [$0] } : [Array(text.utf8)]
            XCTAssertEqual(read(pieces).failure, expected, "byte by byte")
        }
        XCTAssertEqual(RESPProtocolError.mark(0x0a).message, "expected '$', got ' '", "no line break gets into a line")
        XCTAssertEqual(RESPProtocolError.mark(0x66).message, "expected '$', got 'f'")
    }

    func testAFailureIsForGood() {
        var parser = RESPRequestParser(limits: .init(argument: 10, request: 100))
        var input = ByteBuffer(string: "*x\r\n*1\r\n$4\r\nPING\r\n")
        XCTAssertEqual(parser.next(&input), .failed(.count))
        XCTAssertEqual(parser.next(&input), .failed(.count))
    }

    /// What is too large is passed over as it comes, and the connection stays in step.
    func testWhatIsTooLargeIsNotKept() {
        let large = "*3\r\n$3\r\nSET\r\n$101\r\n" + String(repeating: "x", count: 101) + "\r\n$1\r\ny\r\n"
        let many = "*13\r\n" + String(repeating: "$90\r\n" + String(repeating: "v", count: 90) + "\r\n", count: 13)
        let bytes = Array((large + "*1\r\n$1\r\na\r\n" + many + "get b\n").utf8)
        let expected = Reading(requests: [["a"], ["get", "b"]], excesses: [.argument(101), .request])
        XCTAssertEqual(read([bytes]), expected)
        XCTAssertEqual(read(bytes.map { [$0] }), expected)
        for cut in stride(from: 0, to: bytes.count, by: 3) {
            XCTAssertEqual(read([Array(bytes[..<cut]), Array(bytes[cut...])]), expected, "cut at \(cut)")
        }
        let part = read([Array("*2\r\n$400000000\r\n".utf8), [UInt8](repeating: 1, count: 50_000)])
        XCTAssertEqual(part, Reading(), "nothing of an argument under way is kept")
    }

    /// Empty requests do not gather either.
    func testEmptyRequestsAreDropped() {
        let reading = read([Array(String(repeating: "*0\r\n", count: 1000).utf8), Array("\r\n\r\n*".utf8)])
        XCTAssertEqual(reading, Reading(rest: 1))
    }

    func testDamageIsNeverMoreThanAFailure() {
        var random = SplitMix(seed: 11)
        let text = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhello\r\nset 'a b' \"\\x00\"\r\n*1\r\n$4\r\nPING\r\n"
        for _ in 0..<3000 {
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0x20...0x3a, using: &random), at: index)
                }
            }
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let whole = read([bytes])
            XCTAssertEqual(read([Array(bytes[..<cut]), Array(bytes[cut...])]), whole)
            XCTAssertLessThanOrEqual(whole.requests.reduce(0) { $0 + $1.count }, bytes.count)
        }
    }

    func testIntegers() {
        let table: [(String, Int64?)] = [
            ("0", 0), ("-1", -1), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("10", 10),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("", nil), ("-", nil), ("+1", nil),
            ("01", nil), ("-0", nil), (" 1", nil), ("1 ", nil), ("1.0", nil), ("0x1", nil),
            ("99999999999999999999", nil),
        ]
        for (text, value) in table {
            XCTAssertEqual(Array(text.utf8).withUnsafeBytes { decimalInteger($0) }, value, text)
        }
    }

    func testWordsMatchInAnyCase() {
        let input = Array("gEt".utf8)
        input.withUnsafeBytes { bytes in
            let arguments = RESPArguments(bytes: bytes, places: [.init(start: 0, count: 3)])
            XCTAssertTrue(arguments.matches(0, "GET"))
            XCTAssertFalse(arguments.matches(0, "GEX"))
            XCTAssertFalse(arguments.matches(0, "GETS"))
        }
    }
}
