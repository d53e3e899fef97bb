import KVCore
import XCTest

@testable import KVConfig

final class NotationTests: XCTestCase {
    func testSpans() throws {
        for (text, milliseconds) in [("1ms", 1), ("0s", 0), ("5s", 5000), ("10m", 600_000), ("2h", 7_200_000)] {
            XCTAssertEqual(try Nanoseconds(notation: text).milliseconds, UInt64(milliseconds), text)
        }
        XCTAssertEqual(try Nanoseconds(notation: "213503d").milliseconds, 213_503 * 86_400_000)
        for text in [
            "", "5", "s", "-5s", "+5s", "5 s", "1.5s", "05s", "5S", "5sec", "99999999999999999999s", "213504d",
        ] {
            XCTAssertThrowsError(try Nanoseconds(notation: text), text)
        }
        for text in ["0ms", "1ms", "90s", "1m", "25h", "1d"] {
            XCTAssertEqual(try Nanoseconds(notation: text).notation, text)
        }
    }

    func testSizes() throws {
        let sizes = [
            "0": 0, "4096": 4096, "7B": 7, "4KiB": 4096, "1MiB": 1 << 20, "3GiB": 3 << 30, "1TiB": 1 << 40,
        ]
        for (text, bytes) in sizes { XCTAssertEqual(try ByteSize.parse(text), bytes, text) }
        for text in [
            "", "KiB", "-1", "1KB", "1k", "1kib", "1.5MiB", "0x10", "1 KiB", "8388608TiB", "9223372036854775808",
        ] {
            XCTAssertThrowsError(try ByteSize.parse(text), text)
        }
        for text in ["0", "7", "1KiB", "1025", "3MiB", "5GiB", "2TiB"] {
            XCTAssertEqual(ByteSize.notation(try ByteSize.parse(text)), text)
        }
    }

    func testAddresses() throws {
        let good = [
            "127.0.0.1:1": "127.0.0.1:1", "localhost:65535": "localhost:65535", "A.Example:80": "a.example:80",
            "[::1]:80": "[::1]:80", "[0:0:0:0:0:0:0:1]:80": "[::1]:80", "[2001:DB8::1]:80": "[2001:db8::1]:80",
            "my_host-1.x:80": "my_host-1.x:80",
        ]
        for (text, canonical) in good { XCTAssertEqual("\(try Address(notation: text))", canonical, text) }
        let bad = [
            "", ":", "7400", "host", ":7400", "host:", "host:0", "host:65536", "host:-1", "host:+1", "host:080",
            "::1:80", "[::1]", "[]:80", "[x]:80", "[::1\0]:80", "1.2.3:80", "256.0.0.1:80", "1.2.3.4.5:80", "a..b:80",
            "-a:80", "a b:80", "a/b:80", "http://a:80", "é:80", String(repeating: "a", count: 64) + ":80",
        ]
        for text in bad { XCTAssertThrowsError(try Address(notation: text), text) }
    }

    func testNearestName() {
        let known = ["name", "partitions", "replicas"]
        XCTAssertEqual(nearest(to: "replica", in: known), "replicas")
        XCTAssertEqual(nearest(to: "Partitions", in: known), "partitions")
        XCTAssertEqual(nearest(to: "partitoins", in: known), "partitions")
        XCTAssertEqual(nearest(to: "nmae", in: known), "name")
        XCTAssertNil(nearest(to: "colour", in: known))
        XCTAssertNil(nearest(to: "", in: known))
        XCTAssertNil(nearest(to: String(repeating: "name", count: 100), in: known))
    }
}
