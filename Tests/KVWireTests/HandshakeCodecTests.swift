import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class HandshakeCodecTests: XCTestCase {
    func testEveryHandshakeComesBackAsItWas() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<300 {
            let handshake = random.handshake()
            XCTAssertEqual(try Handshake.decode(payload(handshake)), handshake)
        }
    }

    func testEveryTruncationAndTrailingByteIsAnError() throws {
        var random = SplitMix(seed: 2)
        for _ in 0..<20 {
            var bytes = try payload(random.handshake())
            // Whose code is cut off, it is a refusal of version 3.
            let isRefusal = if case .refusal = try Handshake.decode(bytes) { true } else { false }
            for length in 0..<bytes.readableBytes - (isRefusal ? 1 : 0) {
                let cut = try XCTUnwrap(bytes.getSlice(at: bytes.readerIndex, length: length))
                XCTAssertThrowsError(try Handshake.decode(cut))
            }
            bytes.writeInteger(UInt8(0))
            XCTAssertThrowsError(try Handshake.decode(bytes)) {
                XCTAssertEqual($0 as? WireError, .trailingBytes(1))
            }
        }
    }

    func testMutationsNeverCrash() throws {
        var random = SplitMix(seed: 3)
        var errors = 0
        for _ in 0..<3000 {
            var bytes = try payload(random.handshake())
            bytes.setInteger(
                UInt8(truncatingIfNeeded: random.next()), at: bytes.readerIndex + random.below(bytes.readableBytes))
            do {
                let decoded = try Handshake.decode(bytes)
                if case .refusal(let refusal) = decoded {
                    // A code that is not known counts as none, and one that is missing is written.
                    guard refusal.code != .unspecified else { continue }
                }
                XCTAssertEqual(try payload(decoded), bytes)
            } catch {
                errors += 1
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    func testAStrangerAndAnotherVersionAreToldApart() throws {
        XCTAssertThrowsError(try Handshake.decode(ByteBuffer(string: "GET / HTTP/1.1\r\n"))) {
            XCTAssertEqual($0 as? WireError, .notAPeer)
        }
        var random = SplitMix(seed: 4)
        var bytes = try payload(.welcome(random.introduction()))
        bytes.setInteger(UInt16(7), at: bytes.readerIndex + 6, endianness: .little)
        XCTAssertThrowsError(try Handshake.decode(bytes)) {
            XCTAssertEqual($0 as? WireError, .protocolVersion(7))
        }
    }

    func testAPendingNodeNeedNotKnowTheCluster() throws {
        let pendingNode = Introduction(
            clusterID: UUID128(high: 0, low: 0), clusterName: "", node: NodeNumber(0), nodeID: "n4",
            store: UUID128(high: 1, low: 2), boot: 1, epoch: 0, agreement: [])
        let hello = Handshake.hello(pendingNode, shard: ShardPosition(index: 0, count: 1))
        XCTAssertEqual(try Handshake.decode(payload(hello)), hello)
    }

    func testTheVersionBeforeIsSpoken() throws {
        var random = SplitMix(seed: 7)
        for _ in 0..<50 {
            var introduction = random.introduction()
            introduction.starts = [ProcessStart(boot: 1, nonce: 2)]
            introduction.wall = 7
            let old = introduction.spoken(3)
            XCTAssertEqual(old.starts, [])
            XCTAssertEqual(old.wall, 0)
            let bytes = try payload(.welcome(old))
            XCTAssertEqual(bytes.getInteger(at: bytes.readerIndex + 6, endianness: .little, as: UInt16.self), 3)
            XCTAssertEqual(try Handshake.decode(bytes), .welcome(old))
            XCTAssertEqual(introduction.spoken(9).version, Handshake.protocolVersion, "not one that is not known yet")
        }
    }

    func testTooManyStartsAreAnError() throws {
        var random = SplitMix(seed: 8)
        var introduction = random.introduction().spoken(4)
        let start = ProcessStart(boot: 1, nonce: 2)
        introduction.starts = Array(repeating: start, count: ProcessStart.maximumRemembered)
        XCTAssertNoThrow(try Handshake.decode(payload(.welcome(introduction))))
        introduction.starts.append(start)
        XCTAssertThrowsError(try Handshake.decode(payload(.welcome(introduction)))) {
            XCTAssertEqual(
                $0 as? WireError, .tooMany("list of starts", UInt64(ProcessStart.maximumRemembered + 1)))
        }
    }

    func testAVersionBeforeThoseIsRefused() throws {
        var random = SplitMix(seed: 6)
        var bytes = try payload(.welcome(random.introduction()))
        bytes.setInteger(UInt16(1), at: bytes.readerIndex + 6, endianness: .little)
        XCTAssertThrowsError(try Handshake.decode(bytes)) {
            XCTAssertEqual($0 as? WireError, .protocolVersion(1))
        }
    }

    func testARefusalIsUnderstoodInEveryVersion() throws {
        for version: UInt16 in [3, 7] {
            var bytes = try payload(.refusal(HandshakeRefusal(.removed, "too old")), in: version)
            bytes.setInteger(version, at: bytes.readerIndex + 6, endianness: .little)
            let code: HandshakeRefusal.Code = version == 3 ? .unspecified : .removed
            XCTAssertEqual(
                try Handshake.decode(bytes), .refusal(HandshakeRefusal(code, "too old", version: version)))
        }
    }

    func testACodeOfALaterVersionIsNone() throws {
        var bytes = try payload(.refusal(HandshakeRefusal(.removed, "why")))
        bytes.setInteger(UInt8(200), at: bytes.writerIndex - 1)
        XCTAssertEqual(try Handshake.decode(bytes), .refusal(HandshakeRefusal(.unspecified, "why")))
    }

    func testALongRefusalIsCutBetweenCharacters() throws {
        let text = "x" + String(repeating: "é", count: 3000)
        guard case .refusal(let cut) = try Handshake.decode(payload(.refusal(HandshakeRefusal(.removed, text)))) else {
            return XCTFail("not a refusal")
        }
        XCTAssertEqual(cut.text, "x" + String(repeating: "é", count: 2047))
    }

    func testAnIntroductionTooLongToSendIsAnError() {
        var random = SplitMix(seed: 5)
        var introduction = random.introduction()
        introduction.agreement = [
            AgreementLine(path: "nodes", value: String(repeating: "n", count: FrameLimits.handshake))
        ]
        XCTAssertThrowsError(try Handshake.welcome(introduction).frame())
    }

    private func payload(
        _ handshake: Handshake, in version: UInt16 = Handshake.protocolVersion
    ) throws -> ByteBuffer {
        var reader = FrameReader(maximumPayload: FrameLimits.handshake)
        reader.append(try handshake.frame(refusingIn: version))
        return try XCTUnwrap(try reader.next())
    }
}
