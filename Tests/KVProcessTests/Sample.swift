import KVCore
import XCTest

/// A key and a value with awkward bytes or lengths, which must come back byte for byte.
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

    /// Bytes whose period does not fit the size of any buffer, so that misplaced blocks are noticed.
    private static func pattern(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251) }
    }

    var target: String { "/v1/kv/\(encoded(key))" }
    var name: String { "\(key.prefix(20)) with \(value.count) bytes" }

    func assertThere(on connection: RawConnection) throws { assertIsAnswer(try connection.request("GET", target)) }

    private func assertIsAnswer(_ answer: RawConnection.Answer) {
        XCTAssertEqual(answer.status, 200, "\(name): \(answer.text)")
        XCTAssertTrue(answer.body == value, "\(name) came back as \(answer.body.count) other bytes")
    }

    // MARK: Many samples at a time

    // A node executes the requests of one connection one after the other, and those of several connections at the same
    // time. So with several connections the test waits for the disk less often.

    static func put(_ samples: [Sample], on connections: [RawConnection]) throws {
        let answers = try exchange(samples, connections) { $1.sendRequest("PUT", $0.target, body: $0.value) }
        for (sample, answer) in answers { XCTAssertEqual(answer.status, 204, "\(sample.name): \(answer.text)") }
    }

    static func delete(_ samples: [Sample], on connections: [RawConnection]) throws {
        let answers = try exchange(samples, connections) { $1.sendRequest("DELETE", $0.target) }
        for (sample, answer) in answers { XCTAssertEqual(answer.status, 204, "\(sample.name): \(answer.text)") }
    }

    /// - Parameter shift: Another number gives each sample to another connection.
    static func assertThere(_ samples: [Sample], on connections: [RawConnection], shift: Int = 0) throws {
        let answers = try exchange(samples, connections, shift) { $1.sendRequest("GET", $0.target) }
        for (sample, answer) in answers { sample.assertIsAnswer(answer) }
    }

    static func assertGone(_ samples: [Sample], on connections: [RawConnection], shift: Int = 0) throws {
        let answers = try exchange(samples, connections, shift) { $1.sendRequest("GET", $0.target) }
        for (sample, answer) in answers { XCTAssertEqual(answer.status, 404, sample.name) }
    }

    private static func exchange(
        _ samples: [Sample], _ connections: [RawConnection], _ shift: Int = 0, _ send: (Sample, RawConnection) -> Void
    ) throws -> [(Sample, RawConnection.Answer)] {
        let pairs = samples.enumerated().map { ($1, connections[($0 + shift) % connections.count]) }
        for (sample, connection) in pairs { send(sample, connection) }
        return try pairs.map { sample, connection in (sample, try connection.answer()) }
    }
}
