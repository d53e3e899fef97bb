import KVCore
import XCTest

/// A key and a value that are hard to carry, and are to come back byte for byte.
struct Sample {
    let key: [UInt8]
    let value: [UInt8]

    static let all: [Sample] = {
        let bytes = (0...255).map { UInt8($0) }
        let keys = bytes.map { [$0] } + [bytes, Array("a/b//c/../d/".utf8), Array("100%25 & ?#{tag}+".utf8)]
        var samples = keys.enumerated().map { Sample(key: $1, value: [UInt8(truncatingIfNeeded: $0)] + bytes) }
        let sizes = [0, 1, 4096, 65_536, 1 << 20]
        samples += sizes.map { Sample(key: Array("size-\($0)".utf8), value: pattern($0)) }
        samples.append(Sample(key: [UInt8](repeating: 0xff, count: 4096), value: [0]))
        return samples
    }()

    /// Bytes without a period that a buffer's size divides.
    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251) }
    }

    var target: String { "/v1/kv/\(encoded(key))" }
    var name: String { "\(key.prefix(20)) with \(value.count) bytes" }

    func put(on connection: RawConnection) throws {
        let answer = try connection.request("PUT", target, body: value)
        XCTAssertEqual(answer.status, 204, "\(name): \(answer.text)")
    }

    func assertThere(on connection: RawConnection) throws {
        let answer = try connection.request("GET", target)
        XCTAssertEqual(answer.status, 200, "\(name): \(answer.text)")
        XCTAssertTrue(answer.body == value, "\(name) came back as \(answer.body.count) other bytes")
    }
}
