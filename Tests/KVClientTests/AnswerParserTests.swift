import KVCore
import NIOCore
import XCTest

@testable import KVClient

/// The parser of answers.
final class AnswerParserTests: XCTestCase {
    /// Returns all answers in `text`, which arrives in pieces of `size` bytes.
    private func parse(_ text: String, size: Int = .max) throws -> [AnswerMessage] {
        var parser = AnswerParser()
        var answers: [AnswerMessage] = []
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            parser.append(ByteBuffer(bytes: rest.prefix(size)))
            rest = rest.dropFirst(size)
            while let answer = try parser.next() { answers.append(answer) }
        }
        return answers
    }

    private static let several = """
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nContent-Type: text/plain\r
        ETag: "3.1.42"\r\nKV-TTL: 7\r\nKV-Node: n2\r\n\r\nhelloHTTP/1.1 204 No Content\r\netag:  "1.1.1" \r\n\r
        HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r
        HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 404 X\ncontent-length: 0\n\nHTTP/1.1 503 X\r
        Content-Length: 1\r\nconnection: x, Close\r\n\r\n!
        """

    func testPiecesOfAnySize() throws {
        for size in [1, 2, 3, 7, 50, Int.max] {
            let answers = try parse(Self.several, size: size)
            XCTAssertEqual(answers.map(\.status), [200, 204, 200, 304, 404, 503], "\(size)")
            guard answers.count == 6 else { continue }
            XCTAssertEqual(answers.map(\.body.text), ["hello", "", "abc0123456789", "", "", "!"])
            XCTAssertEqual(answers[0].version, Version("3.1.42"))
            XCTAssertEqual(answers[0].secondsToLive, 7)
            XCTAssertEqual(answers[0].node, "n2")
            XCTAssertEqual(answers[0].contentType, "text/plain")
            XCTAssertEqual(answers[1].version, Version("1.1.1"))
            XCTAssertEqual(answers.map(\.isLast), [false, false, false, false, false, true])
        }
    }

    func testWhetherAnotherFollows() throws {
        for (head, isLast) in [
            ("HTTP/1.1 204 X\r\n", false), ("HTTP/1.1 204 X\r\nConnection: close\r\n", true),
            ("HTTP/1.1 204 X\r\nConnection: closed\r\n", false), ("HTTP/1.0 204 X\r\n", true),
            ("HTTP/1.0 204 X\r\nConnection: Keep-Alive\r\n", false),
        ] {
            XCTAssertEqual(try parse(head + "\r\n").map(\.isLast), [isLast], head)
        }
    }

    func testWhatIsNoAnswer() {
        for text in [
            "SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \(AnswerParser.maximumBody + 1)\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nx: " + String(repeating: "y", count: AnswerParser.maximumHead),
        ] {
            XCTAssertThrowsError(try parse(text), String(text.prefix(100))) { XCTAssertTrue($0 is AnswerFault) }
        }
    }

    /// Whatever a server sends, the parser returns answers, fails, or waits for more, and does the same however the
    /// bytes are cut.
    func testMangledBytes() {
        var random = SplitMix(seed: 7)
        for _ in 0..<3000 {
            var bytes = Array(Self.several.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: place)
                }
            }
            XCTAssertEqual(outcome(bytes, size: .max), outcome(bytes, size: Int.random(in: 1...40, using: &random)))
        }
    }

    private func outcome(_ bytes: [UInt8], size: Int) -> String {
        var parser = AnswerParser()
        var rest = bytes[...]
        var answers = ""
        do {
            while !rest.isEmpty {
                parser.append(ByteBuffer(bytes: rest.prefix(size)))
                rest = rest.dropFirst(size)
                while let answer = try parser.next() { answers += "\(answer) " }
            }
            return answers
        } catch {
            return answers + "fault"
        }
    }
}
