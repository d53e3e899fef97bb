import NIOCore
import XCTest

@testable import KVWire

final class RESPReplyWriterTests: XCTestCase {
    private func written(_ version: RESPVersion, _ body: (inout RESPReplyWriter) -> Void) -> String {
        var writer = RESPReplyWriter()
        writer.version = version
        body(&writer)
        return String(buffer: writer.take())
    }

    func testBothVersions() {
        let table: [((inout RESPReplyWriter) -> Void, String, String)] = [
            ({ $0.simple("OK") }, "+OK\r\n", "+OK\r\n"),
            ({ $0.error(Array("ERR a\r\nb".utf8)) }, "-ERR a  b\r\n", "-ERR a  b\r\n"),
            ({ $0.integer(0) }, ":0\r\n", ":0\r\n"),
            ({ $0.integer(.min) }, ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
            ({ $0.integer(.max) }, ":9223372036854775807\r\n", ":9223372036854775807\r\n"),
            ({ $0.integer(-12) }, ":-12\r\n", ":-12\r\n"),
            ({ $0.bulk([0x0d, 0x0a]) }, "$2\r\n\r\n\r\n", "$2\r\n\r\n\r\n"),
            ({ $0.bulk("") }, "$0\r\n\r\n", "$0\r\n\r\n"),
            ({ $0.bulk([UInt8](repeating: 0x61, count: 10)) }, "$10\r\naaaaaaaaaa\r\n", "$10\r\naaaaaaaaaa\r\n"),
            ({ $0.null() }, "$-1\r\n", "_\r\n"),
            ({ $0.nullArray() }, "*-1\r\n", "_\r\n"),
            ({ $0.boolean(true) }, ":1\r\n", "#t\r\n"),
            ({ $0.double(1.5) }, "$3\r\n1.5\r\n", ",1.5\r\n"),
            ({ $0.double(-.infinity) }, "$4\r\n-inf\r\n", ",-inf\r\n"),
            ({ $0.verbatim("hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
            ({ $0.array(2) }, "*2\r\n", "*2\r\n"), ({ $0.set(3) }, "*3\r\n", "~3\r\n"),
            ({ $0.map(2) }, "*4\r\n", "%2\r\n"),
        ]
        for (write, resp2, resp3) in table {
            XCTAssertEqual(written(.resp2, write), resp2)
            XCTAssertEqual(written(.resp3, write), resp3)
        }
    }

    func testElementsAreThoseOfAnArrayWhoseLengthWasKnown() {
        for count in [0, 1, 9, 10, 1000, 100_000] {
            let strings = (0..<count).map { Array("key \($0)".utf8) }
            var elements = RESPElements()
            for string in strings { elements.append(string) }
            let array = elements.takeArray()
            XCTAssertEqual(elements.count, 0)
            for version in [RESPVersion.resp2, .resp3] {
                let expected = written(version) { writer in
                    writer.array(count)
                    for string in strings { writer.bulk(string) }
                }
                // Alone, and between other replies.
                XCTAssertTrue(written(version) { $0.whole(array) } == expected)
                let between = written(version) { writer in
                    writer.integer(1)
                    writer.whole(array)
                    writer.simple("OK")
                }
                XCTAssertTrue(between == ":1\r\n\(expected)+OK\r\n")
                XCTAssertTrue(
                    written(version) { writer in
                        writer.whole(array)
                        writer.simple("OK")
                    } == "\(expected)+OK\r\n")
            }
            // It begins again.
            elements.append(Array("k".utf8))
            XCTAssertEqual(String(buffer: elements.takeArray()), "*1\r\n$1\r\nk\r\n")
        }
    }

    /// What is written reads back as it was meant.
    func testRepliesFollowOneAnother() {
        var writer = RESPReplyWriter()
        for value in [1, 22, 333] as [Int64] { writer.integer(value) }
        XCTAssertEqual(String(buffer: writer.take()), ":1\r\n:22\r\n:333\r\n")
        XCTAssertEqual(writer.pending.readableBytes, 0)
        writer.simple("OK")
        XCTAssertEqual(String(buffer: writer.take()), "+OK\r\n", "what was taken is not written again")
    }
}
