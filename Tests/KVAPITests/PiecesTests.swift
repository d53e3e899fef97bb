import KVCore
import NIOCore
import XCTest

@testable import KVAPI

final class PiecesTests: XCTestCase {
    func testPercentEncoding() throws {
        let all = Array(UInt8.min...UInt8.max)
        let encoded = PercentEncoding.encoded(all)
        XCTAssertEqual(try encoded.withUnsafeBufferPointer { try PercentEncoding.decoded($0, plus: false) }, all)
        let plain = Array("azAZ09-._~".utf8)
        XCTAssertEqual(PercentEncoding.encoded(plain), plain)
        XCTAssertEqual(String(decoding: PercentEncoding.encoded(Array("/ +é".utf8)), as: UTF8.self), "%2F%20%2B%C3%A9")
        XCTAssertEqual(encoded.count, 3 * 256 - 2 * 66, "letters, digits and four signs are unreserved")
    }

    func testBase64() {
        // RFC 4648, 10.
        let table = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        for (plain, encoded) in table {
            XCTAssertEqual(String(decoding: Base64.encode(Array(plain.utf8)), as: UTF8.self), encoded)
            let forURL = encoded.filter { $0 != "=" }
            XCTAssertEqual(Base64.decodeFromURL(Array(forURL.utf8)), Array(plain.utf8), forURL)
        }
        XCTAssertEqual(String(decoding: Base64.encodeForURL([0xfb, 0xff]), as: UTF8.self), "-_8")
        for text in ["A", "AAAAA", "A+==", "Zg==", "Zh", "Zm9", "-_9", "é"] {
            XCTAssertNil(Base64.decodeFromURL(Array(text.utf8)), text)
        }
        var random = SplitMix(state: 1)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            XCTAssertEqual(Base64.decodeFromURL(Base64.encodeForURL(bytes)), bytes)
            XCTAssertEqual(Data(Base64.encode(bytes)), Data(bytes).base64EncodedData())
        }
    }

    func testDurations() {
        let table: [(String, UInt64?)] = [
            ("1ms", 1), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000), ("7d", 604_800_000), ("007s", 7000),
            ("", nil), ("s", nil), ("0s", nil), ("1", nil), ("1 s", nil), ("-1s", nil), ("1S", nil), ("1us", nil),
            ("1s1s", nil), ("18446744073709551615ms", .max), ("18446744073709551616ms", nil),
            ("18446744073709552s", nil),
        ]
        for (text, expected) in table { XCTAssertEqual(milliseconds(ofDuration: Array(text.utf8)), expected, text) }
    }

    func testDates() {
        // Against what `date -u` prints.
        let table: [(UInt64, String)] = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ]
        var date = HTTPDate()
        for (second, text) in table {
            XCTAssertEqual(String(decoding: date.text(at: second * 1000), as: UTF8.self), text)
            XCTAssertEqual(String(decoding: date.text(at: second * 1000 + 999), as: UTF8.self), text)
        }
        XCTAssertEqual(String(decoding: date.text(at: .max), as: UTF8.self), "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    func testMediaTypes() {
        for text in ["text/plain", "application/vnd.api+json", "text/html; charset=\"utf-8\"", "a/b ;c"] {
            XCTAssertTrue(isMediaType(text), text)
        }
        for text in [
            "", "text", "/", "a/", "/b", "a/b/c", "a b/c", "te;xt/plain", "a/b\r\nX: y", "a/b;\u{7f}", "a/b;é",
        ] {
            XCTAssertFalse(isMediaType(text), text)
        }
    }

    func testEntityTags() {
        XCTAssertEqual(EntityTags(" * "), .any)
        XCTAssertEqual(
            EntityTags("W/\"1.2.3\" ,\t\"x,y\""),
            .list([EntityTag(isWeak: true, version: version(1, 2, 3)), EntityTag(isWeak: false, version: nil)]))
        XCTAssertNotNil(EntityTags(Array(repeating: "\"1.1.1\"", count: 64).joined(separator: ",")))
        XCTAssertNil(EntityTags(Array(repeating: "\"1.1.1\"", count: 65).joined(separator: ",")))
        for text in ["", ",", "*,*", "\"a\",", "\"a\"\"b\"", "W/", "w/\"a\"", "\"a", "a\"", "\"a b\""] {
            XCTAssertNil(EntityTags(text), text)
        }
    }

    func testJSONEscapes() throws {
        var json = JSONWriter(capacity: 0, allocator: ByteBufferAllocator())
        let text = "quote \" slash \\ / \u{8}\t\n\r\u{1f}\u{7f}\u{2028} é 🦊 \0 end"
        json.array { json in
            json.string(text)
            json.string("")
            json.number(Int.min)
            json.number(UInt64.max)
            json.number(0)
            json.null()
            json.array { _ in }
            json.object { _ in }
        }
        let bytes = Data(json.buffer.readableBytesView)
        XCTAssertEqual(
            try JSONSerialization.jsonObject(with: bytes) as? NSArray,
            [text, "", Int.min, UInt64.max, 0, NSNull(), [], [:] as NSDictionary])
    }
}
