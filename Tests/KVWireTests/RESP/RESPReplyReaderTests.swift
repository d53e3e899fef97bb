import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class RESPReplyReaderTests: XCTestCase {
    private typealias Reply = RESPReplyReader.Reply

    private static let samples: [(String, Reply)] = [
        ("+OK\r\n", .simple(ByteBuffer(string: "OK"))),
        ("+\r\n", .simple(ByteBuffer())),
        ("-ERR no\r\n", .error(ByteBuffer(string: "ERR no"))),
        (":0\r\n", .integer(0)),
        (":+7\r\n", .integer(7)),
        (":-9223372036854775808\r\n", .integer(.min)),
        (":9223372036854775807\r\n", .integer(.max)),
        ("$0\r\n\r\n", .bulk(ByteBuffer())),
        ("$5\r\na\r\nbc\r\n", .bulk(ByteBuffer(string: "a\r\nbc"))),
        ("$-1\r\n", .null),
        ("*-1\r\n", .null),
        ("_\r\n", .null),
        ("#t\r\n", .boolean(true)),
        ("#f\r\n", .boolean(false)),
        (",1.5\r\n", .double(1.5)),
        (",-inf\r\n", .double(-.infinity)),
        (
            "(3492890328409238509324850943850943825024385\r\n",
            .bigNumber(ByteBuffer(string: "3492890328409238509324850943850943825024385"))
        ),
        ("!5\r\nERR x\r\n", .error(ByteBuffer(string: "ERR x"))),
        ("=7\r\ntxt:abc\r\n", .bulk(ByteBuffer(string: "abc"))),
        ("*0\r\n", .array([])),
        ("*2\r\n:1\r\n*1\r\n$1\r\na\r\n", .array([.integer(1), .array([.bulk(ByteBuffer(string: "a"))])])),
        ("*2\r\n*0\r\n_\r\n", .array([.array([]), .null])),
        ("%1\r\n+k\r\n~1\r\n:2\r\n", .map([.simple(ByteBuffer(string: "k")), .set([.integer(2)])])),
        (">2\r\n+invalidate\r\n_\r\n", .push([.simple(ByteBuffer(string: "invalidate")), .null])),
        ("|1\r\n+ttl\r\n:3\r\n:5\r\n", .integer(5)),
        ("|0\r\n:5\r\n", .integer(5)),
        ("*1\r\n|1\r\n+ttl\r\n*1\r\n:3\r\n:5\r\n", .array([.integer(5)])),
    ]

    private func replies(_ pieces: [some Sequence<UInt8>], _ limits: RESPReplyReader.Limits = .init()) throws -> [Reply]
    {
        var reader = RESPReplyReader(limits: limits)
        var replies: [Reply] = []
        for piece in pieces {
            var bytes = ByteBuffer(bytes: piece)
            reader.feed(&bytes)
            XCTAssertEqual(bytes.readableBytes, 0)
            while let reply = try reader.next() { replies.append(reply) }
        }
        return replies
    }

    func testReadsEveryType() throws {
        for (text, reply) in Self.samples { XCTAssertEqual(try replies([Array(text.utf8)]), [reply], text) }
    }

    func testArrivalInPiecesMakesNoDifference() throws {
        let whole = Self.samples.flatMap { Array($0.0.utf8) }
        let wanted = Self.samples.map(\.1)
        XCTAssertEqual(try replies([whole]), wanted)
        XCTAssertEqual(try replies(whole.map { [$0] }), wanted)
        var random = SplitMix(seed: 1)
        for _ in 0..<200 {
            var rest = whole[...]
            var pieces: [ArraySlice<UInt8>] = []
            while !rest.isEmpty {
                let count = Int.random(in: 1...min(40, rest.count), using: &random)
                pieces.append(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            XCTAssertEqual(try replies(pieces), wanted)
        }
    }

    func testNothingIsTakenBeforeItIsWhole() throws {
        for (text, _) in Self.samples {
            XCTAssertEqual(try replies([Array(text.utf8.dropLast())]), [], text)
        }
    }

    func testRefusesWhatIsNoReply() {
        for text in [
            "OK\r\n", "\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", ":-9223372036854775809\r\n", ":--1\r\n",
            "$x\r\n", "$-2\r\n", "$3\r\nabcd\r\n", "!-1\r\n", "=3\r\nabc\r\n", "=4\r\nabcd\r\n", "*-2\r\n", "*a\r\n",
            "%-1\r\n", "#x\r\n", ",x\r\n", "+a\rb\r\n", "?1\r\n",
        ] {
            XCTAssertThrowsError(try replies([Array(text.utf8)]), text) { error in
                guard case RESPReplyReader.Failure.malformed? = error as? RESPReplyReader.Failure else {
                    return XCTFail("\(text): \(error)")
                }
            }
        }
    }

    func testHoldsToItsLimitsBeforeItAllocates() {
        var limits = RESPReplyReader.Limits()
        limits.depth = 3
        limits.string = 10
        limits.line = 20
        limits.elements = 8
        for text in [
            "$11\r\n", "$9223372036854775807\r\n", "*9\r\n", "%5\r\n", "%4611686018427387904\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n", "*4\r\n*4\r\n*1\r\n", "+" + String(repeating: "a", count: 30),
        ] {
            XCTAssertThrowsError(try replies([Array(text.utf8)], limits), text) { error in
                guard case RESPReplyReader.Failure.tooLarge? = error as? RESPReplyReader.Failure else {
                    return XCTFail("\(text): \(error)")
                }
            }
        }
        // The limit of elements is a reply's, not a connection's.
        let many = String(repeating: "*2\r\n:1\r\n:2\r\n", count: 20)
        XCTAssertEqual(try replies([Array(many.utf8)], limits).count, 20)
    }

    func testAnyBytesAreReadOrRefused() {
        var random = SplitMix(seed: 7)
        let alphabet = Array("+-:$*_#,(!=%~>|0123456789\r\n\r\n\r\nab".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            _ = try? replies([bytes])
        }
        for (text, _) in Self.samples {
            for _ in 0..<200 {
                var bytes = Array(text.utf8)
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                _ = try? replies([bytes])
            }
        }
    }

    func testRequestsAreArraysOfBulkStrings() throws {
        var buffer = ByteBuffer()
        RESPRequestWriter.write("SET", "k", "", to: &buffer)
        RESPRequestWriter.write([Array("GET".utf8), [0, 13, 10, 255], Array(repeating: 7, count: 12)], to: &buffer)
        XCTAssertTrue(String(buffer: buffer).hasPrefix("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*3\r\n"))
        // A request reads as a reply of the same shape.
        XCTAssertEqual(
            try replies([Array(buffer.readableBytesView)]),
            [
                .array([.bulk(ByteBuffer(string: "SET")), .bulk(ByteBuffer(string: "k")), .bulk(ByteBuffer())]),
                .array([
                    .bulk(ByteBuffer(string: "GET")), .bulk(ByteBuffer(bytes: [0, 13, 10, 255])),
                    .bulk(ByteBuffer(repeating: 7, count: 12)),
                ]),
            ])
    }
}
