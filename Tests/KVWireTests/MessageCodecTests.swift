import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class MessageCodecTests: XCTestCase {
    func testEveryMessageComesBackAsItWas() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<200 {
            let messages = random.messages()
            var decoded: [PeerMessage] = []
            try FrameReader.decode(encode(messages), into: &decoded)
            XCTAssertEqual(decoded, messages)
        }
    }

    func testEveryTypeIsAmongTheRandomMessages() throws {
        var random = SplitMix(seed: 2)
        let types = random.messages().map { encode([$0]).getInteger(at: 0, as: UInt8.self) }
        XCTAssertEqual(types, (1...23).map { $0 })
    }

    func testNoMessageIsLongerThanItsBound() {
        let header = PartitionHeader(partition: PartitionID(.max), epoch: .max, ballot: Ballot(raw: .max))
        let version = Version(ballot: Ballot(raw: .max), sequence: .max)
        let type = String(repeating: "x", count: Record.maximumContentType)
        let key = Key([UInt8](repeating: 1, count: 300))
        let record = Record(version: version, expiry: Expiry(milliseconds: .max), value: key.bytes, contentType: type)
        let put = Put(
            value: key.bytes, contentType: type, lifetime: .until(.max), condition: .ifVersion(version))
        let longest: [PeerMessage] = [
            .accept(header, key: key, record: record),
            .readResult(header, id: .max, key: key, record: record),
            .entriesResult(header, leaf: .max, entries: .init(repeating: .init(key: key, version: version), count: 99)),
            .leading(
                epoch: .max, .init(repeating: .init(partition: PartitionID(.max), ballot: header.ballot), count: 99)),
            .forward(
                RequestID(.max), epoch: .max, timeout: Span(nanoseconds: .max), key: key,
                partition: PartitionID(.max), command: .put(put)),
            .forward(
                RequestID(.max), epoch: .max, timeout: Span(nanoseconds: .max), key: key,
                partition: PartitionID(.max), command: .list(ListQuery(prefix: key.bytes, after: key, limit: .max))),
            .forwarded(RequestID(.max), .outcome(.listed(keys: .init(repeating: key, count: 99), more: true))),
            .forwarded(RequestID(.max), .outcome(.found(record))),
            .heartbeat(PartitionUsage(keys: .max, tombstones: .max, bytes: .max)),
        ]
        for message in longest {
            XCTAssertLessThanOrEqual(encode([message]).readableBytes, message.encodedBound)
        }
    }

    func testEveryTruncationIsAnError() {
        var random = SplitMix(seed: 3)
        for message in random.messages() {
            let bytes = encode([message])
            for length in 1..<bytes.readableBytes {
                guard let cut = bytes.getSlice(at: 0, length: length) else { return XCTFail("no slice") }
                XCTAssertNotNil(failure(cut), "\(length) of \(bytes.readableBytes) bytes of \(message)")
            }
        }
    }

    /// An encoding is canonical: what decodes at all, encodes to the same bytes.
    func testMutationsAreErrorsOrOtherMessages() {
        var random = SplitMix(seed: 4)
        var errors = 0
        for _ in 0..<100 {
            for message in random.messages() {
                var bytes = encode([message])
                for _ in 0...random.below(3) {
                    bytes.setInteger(UInt8(truncatingIfNeeded: random.next()), at: random.below(bytes.readableBytes))
                }
                var decoded: [PeerMessage] = []
                do {
                    try FrameReader.decode(bytes, into: &decoded)
                    XCTAssertEqual(encode(decoded), bytes)
                } catch {
                    errors += 1
                }
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    func testGarbageNeverCrashes() {
        var random = SplitMix(seed: 5)
        for _ in 0..<5000 {
            var decoded: [PeerMessage] = []
            try? FrameReader.decode(ByteBuffer(bytes: random.bytes(80)), into: &decoded)
            XCTAssertLessThan(decoded.count, 80)
        }
    }

    func testErrorsSayWhatIsWrong() {
        XCTAssertEqual(failure([24]), .unknownType(24))
        XCTAssertEqual(failure([0]), .unknownType(0))
        XCTAssertEqual(failure([20, 0x80, 0x00]), .badInteger, "longer than it need be")
        XCTAssertEqual(failure([20] + .init(repeating: 0xff, count: 10)), .badInteger, "above 64 bits")
        XCTAssertEqual(failure([1, 0x80, 0x80, 0x01]), .invalid("partition"))
        XCTAssertEqual(failure([12] + header + [0x80, 0x02]), .invalid("leaf"))
        XCTAssertEqual(failure([9] + header + [1, 0, 2]), .invalid("presence of a record"))
        XCTAssertEqual(failure([14, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]), .tooMany("list of leaderships", 0xffff_ffff))
        XCTAssertEqual(failure([8] + header + [1, 9, 0]), .tooMany("key length", 9))
        XCTAssertEqual(failure([11] + header + [0x81, 0x02]), .tooMany("list of leaves", 257))
        XCTAssertEqual(failure([17] + .init(repeating: 0, count: 8) + [1, 6, 9]), .invalid("refusal"))
        XCTAssertEqual(
            failure([19] + .init(repeating: 0, count: 8) + [1] + .init(repeating: 0, count: 10) + [1, 0xff, 0]),
            .invalid("content type"), "not UTF-8")
    }

    /// Partition, epoch, ballot.
    private let header: [UInt8] = .init(repeating: 0, count: 10)

    private func failure(_ bytes: [UInt8]) -> WireError? { failure(ByteBuffer(bytes: bytes)) }

    private func failure(_ payload: ByteBuffer) -> WireError? {
        var decoded: [PeerMessage] = []
        do throws(WireError) {
            try FrameReader.decode(payload, into: &decoded)
            return nil
        } catch {
            return error
        }
    }
}

func encode(_ messages: [PeerMessage]) -> ByteBuffer {
    var buffer = ByteBuffer()
    for message in messages { buffer.writeImmutableBuffer(EncodedMessage(message).bytes) }
    return buffer
}
