import KVCore
import NIOCore
import XCTest

@testable import KVProtocol

/// The bytes of the client protocol. The values here are frozen: docs/wire-format.md shows them.
final class ClientProtocolTests: XCTestCase {
    private let version = Version(ballot: Ballot(round: 3, node: NodeNumber(2)), sequence: 9)

    private func bytes(_ frame: RequestFrame) -> ByteBuffer {
        var buffer = ByteBuffer()
        frame.write(to: &buffer)
        return buffer
    }

    private func bytes(_ frame: AnswerFrame) -> ByteBuffer {
        var buffer = ByteBuffer()
        frame.write(to: &buffer)
        return buffer
    }

    private func request(_ operation: ClientOperation, key: String = "a") -> RequestFrame {
        RequestFrame(number: 7, timeout: 250, key: Key(key), operation: operation)
    }

    private func answer(_ content: AnswerFrame.Content, by executor: String? = nil) -> AnswerFrame {
        AnswerFrame(number: 7, executor: executor, content)
    }

    private var requests: [(RequestFrame, String)] {
        [
            (request(.get(.linearizable)), "0d000000 07000000 01 00 0100 fa000000 61"),
            (request(.get(.stale)), "0d000000 07000000 01 20 0100 fa000000 61"),
            (request(.put(Put(value: [1, 2]))), "0f000000 07000000 02 00 0100 fa000000 61 0102"),
            (
                request(
                    .put(
                        Put(
                            value: [5], contentType: "a/b", lifetime: .milliseconds(1000),
                            condition: .ifVersion(version)))),
                "2a000000 07000000 02 17 0100 fa000000 61 0200030000000000 0900000000000000 e803000000000000 03612f62 05"
            ),
            (request(.put(Put(value: [], condition: .ifAbsent))), "0d000000 07000000 02 01 0100 fa000000 61"),
            (request(.delete(.ifPresent)), "0d000000 07000000 03 02 0100 fa000000 61"),
            (
                request(.add(-2, lifetime: .keep)),
                "15000000 07000000 04 00 0100 fa000000 61 feffffffffffffff"
            ),
            (
                request(.add(1, lifetime: .set(.milliseconds(5)))),
                "1d000000 07000000 04 04 0100 fa000000 61 0500000000000000 0100000000000000"
            ),
            (request(.touch(.set(.unlimited))), "0d000000 07000000 05 08 0100 fa000000 61"),
            (
                request(.list(ListPage(cursor: [0x78, 0x79], limit: 100, values: true)), key: ""),
                "10000000 07000000 06 40 0000 fa000000 6400 7879"
            ),
        ]
    }

    private var answers: [(AnswerFrame, String)] {
        [
            (
                answer(.value(FoundValue(version: version, value: [1, 2]))),
                "18000000 07000000 01 02 0200030000000000 0900000000000000 0102"
            ),
            (
                answer(
                    .value(FoundValue(version: version, value: [], contentType: "a/b", milliseconds: 9)), by: "n2"),
                "25000000 07000000 01 0f 026e32 0200030000000000 0900000000000000 0900000000000000 03612f62"
            ),
            (answer(.absent), "06000000 07000000 02 00"),
            (answer(.written(version)), "16000000 07000000 03 02 0200030000000000 0900000000000000"),
            (answer(.written(nil)), "06000000 07000000 03 00"),
            (answer(.conditionFailed(nil)), "06000000 07000000 04 00"),
            (answer(.conditionFailed(version)), "16000000 07000000 04 02 0200030000000000 0900000000000000"),
            (
                answer(.integer(-1, version)),
                "1e000000 07000000 05 02 0200030000000000 0900000000000000 ffffffffffffffff"
            ),
            (
                answer(.page(FoundPage(entries: [.init(key: Key("k"), found: nil)], cursor: [0x63]))),
                "13000000 07000000 06 10 01000000 63 01000000 0100 00 6b"
            ),
            (
                answer(
                    .page(
                        FoundPage(
                            entries: [.init(key: Key("k"), found: FoundValue(version: version, value: [8]))],
                            cursor: nil))),
                "23000000 07000000 06 00 01000000 0100 02 6b 01000000 0200030000000000 0900000000000000 08"
            ),
            (answer(.failed(.noLeader, "no")), "09000000 07000000 07 00 02 6e6f"),
            (AnswerFrame(number: 0, .goingAway("bye")), "09000000 00000000 08 00 627965"),
        ]
    }

    func testRequests() throws {
        for (frame, hex) in requests {
            let written = bytes(frame)
            XCTAssertEqual(written.hex, hex.filter { $0 != " " }, "\(frame.operation)")
            var reader = FrameReader(limit: 1000)
            reader.append(written)
            let read = try XCTUnwrap(reader.next())
            XCTAssertEqual(try RequestFrame(reading: read), frame)
            XCTAssertNil(try reader.next())
        }
    }

    func testAnswers() throws {
        for (frame, hex) in answers {
            let written = bytes(frame)
            XCTAssertEqual(written.hex, hex.filter { $0 != " " }, "\(frame.content)")
            var reader = FrameReader(limit: 1000)
            reader.append(written)
            XCTAssertEqual(try AnswerFrame(reading: try XCTUnwrap(reader.next())), frame)
        }
    }

    /// What ends early is refused, or is another valid frame where the last field has no length of its own.
    func testTruncatedAtEveryByte() {
        for (frame, _) in requests {
            let whole = bytes(frame)
            for length in 4..<whole.readableBytes {
                guard let cut = whole.getSlice(at: 4, length: length - 4) else { return XCTFail("no slice") }
                if let read = try? RequestFrame(reading: cut) { XCTAssertNotEqual(read, frame) }
            }
        }
        for (frame, _) in answers {
            let whole = bytes(frame)
            for length in 4..<whole.readableBytes {
                guard let cut = whole.getSlice(at: 4, length: length - 4) else { return XCTFail("no slice") }
                if let read = try? AnswerFrame(reading: cut) { XCTAssertNotEqual(read, frame) }
            }
        }
    }

    /// Random bytes and frames with some bytes changed: they are read or refused, and nothing traps.
    func testSpoiledBytes() {
        var random = SplitMix(seed: 42)
        for _ in 0..<20_000 {
            let source = random.next() % 3
            var frame =
                switch source {
                case 0: bytes(requests[Int(random.next() % UInt64(requests.count))].0)
                case 1: bytes(answers[Int(random.next() % UInt64(answers.count))].0)
                default:
                    ByteBuffer(
                        bytes: (0..<Int(random.next() % 64)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
                }
            for _ in 0..<Int(random.next() % 4) where frame.readableBytes > 0 {
                let index = Int(random.next() % UInt64(frame.readableBytes))
                frame.setInteger(UInt8(truncatingIfNeeded: random.next()), at: index)
            }
            _ = try? RequestFrame(reading: frame)
            _ = try? AnswerFrame(reading: frame)
            _ = try? NodeHello(reading: frame)
            var reader = FrameReader(limit: 200)
            reader.append(frame)
            while let next = try? reader.next() { _ = try? RequestFrame(reading: next) }
        }
    }

    func testFlagsThatAnOperationDoesNotKnow() {
        for (code, flags) in [
            (1, 0x01), (1, 0x80), (2, 0x20), (3, 0x04), (4, 0x10), (5, 0x0c), (6, 0x04), (9, 0), (0, 0),
        ] {
            let frame = ByteBuffer(
                bytes: [7, 0, 0, 0, UInt8(code), UInt8(flags), 1, 0, 0, 0, 0, 0, 0x61]
                    + [UInt8](repeating: 0, count: 40))
            XCTAssertThrowsError(try RequestFrame(reading: frame), "\(code) \(flags)")
        }
    }

    func testPrefaces() throws {
        var client = ByteBuffer()
        Preface.writeClient(to: &client)
        XCTAssertEqual(client.hex, "4b560001010d0a")
        XCTAssertEqual(try Preface.readClient(from: &client), 1)
        var node = ByteBuffer()
        Preface.writeNode(1, to: &node)
        XCTAssertEqual(node.hex, "4b560001")
        XCTAssertEqual(try Preface.readNode(from: &node), 1)

        for (bytes, expected) in [
            ([0x4B, 0x56, 0, 1, 9, 13, 10], 1), ([0x4B, 0x56, 0, 2, 9, 13, 10], 0), ([0x4B, 0x56, 0, 1, 1], nil),
            ([0x4B], nil), ([], nil),
        ] as [([UInt8], UInt8?)] {
            var buffer = ByteBuffer(bytes: bytes)
            XCTAssertEqual(try Preface.readClient(from: &buffer), expected, "\(bytes)")
        }
        for bytes in [
            [0x4B, 0x56, 0, 0, 1, 13, 10], [0x4B, 0x56, 0, 3, 2, 13, 10], [0x4B, 0x56, 0, 1, 1, 10, 10], [0x4B, 0x45],
            [0x47],
        ] as [[UInt8]] {
            var buffer = ByteBuffer(bytes: bytes)
            XCTAssertThrowsError(try Preface.readClient(from: &buffer), "\(bytes)")
        }
        var foreign = ByteBuffer(string: "-ERR unknown command\r\n")
        XCTAssertThrowsError(try Preface.readNode(from: &foreign)) {
            XCTAssertEqual($0 as? FrameError, .notThisProtocol)
        }
    }

    func testHello() throws {
        var buffer = ByteBuffer()
        let hello = NodeHello(node: "n1", inFlight: 1024, key: 1024, value: 1 << 20)
        hello.write(to: &buffer)
        XCTAssertEqual(buffer.hex, "15000000" + "00000000" + "0000" + "00040000" + "00040000" + "00001000" + "026e31")
        buffer.moveReaderIndex(forwardBy: 4)
        XCTAssertEqual(try NodeHello(reading: buffer), hello)
        // A later version may say more.
        buffer.writeString("more")
        XCTAssertEqual(try NodeHello(reading: buffer), hello)
    }

    func testLengths() {
        for (length, isAllowed) in [(5, false), (6, true), (100, true), (101, false), (Int(UInt32.max), false)] {
            var reader = FrameReader(limit: 100)
            var bytes = ByteBuffer()
            bytes.writeInteger(UInt32(length), endianness: .little)
            reader.append(bytes)
            if isAllowed {
                XCTAssertNil(try reader.next(), "it has not come")
            } else {
                XCTAssertThrowsError(try reader.next()) {
                    XCTAssertEqual($0 as? FrameError, .length(length, limit: 100))
                }
            }
        }
    }

    func testTheLargestRequestFits() {
        let frame = RequestFrame(
            number: .max, timeout: .max, key: Key([UInt8](repeating: 1, count: 1000)),
            operation: .put(
                Put(
                    value: [UInt8](repeating: 2, count: 5000), contentType: String(repeating: "a", count: 255),
                    lifetime: .milliseconds(.max), condition: .ifVersion(version))))
        XCTAssertLessThanOrEqual(bytes(frame).readableBytes - 4, RequestFrame.largest(key: 1000, value: 5000))
    }
}

extension ByteBuffer {
    fileprivate var hex: String {
        readableBytesView.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}
