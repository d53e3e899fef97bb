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
            for length in 0..<bytes.readableBytes {
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
                if case .refusal = decoded {
                    // It is understood in every version, and written in ours.
                    bytes.setInteger(Handshake.protocolVersion, at: bytes.readerIndex + 6, endianness: .little)
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

    func testAnApplicantNeedNotKnowTheCluster() throws {
        let applicant = Introduction(
            clusterID: UUID128(high: 0, low: 0), clusterName: "", node: NodeNumber(0), nodeID: "n4",
            store: UUID128(high: 1, low: 2), boot: 1, epoch: 0, agreement: [])
        let hello = Handshake.hello(applicant, shard: ShardPosition(index: 0, count: 1))
        XCTAssertEqual(try Handshake.decode(payload(hello)), hello)
    }

    func testTheVersionBeforeIsRefused() throws {
        var random = SplitMix(seed: 6)
        var bytes = try payload(.welcome(random.introduction()))
        bytes.setInteger(UInt16(1), at: bytes.readerIndex + 6, endianness: .little)
        XCTAssertThrowsError(try Handshake.decode(bytes)) {
            XCTAssertEqual($0 as? WireError, .protocolVersion(1))
        }
    }

    func testARefusalIsUnderstoodInEveryVersion() throws {
        var bytes = try payload(.refusal("too old"))
        bytes.setInteger(UInt16(7), at: bytes.readerIndex + 6, endianness: .little)
        XCTAssertEqual(try Handshake.decode(bytes), .refusal("too old"))
    }

    func testALongRefusalIsCutBetweenCharacters() throws {
        let text = String(repeating: "é", count: 3000)
        guard case .refusal(let cut) = try Handshake.decode(payload(.refusal("x" + text))) else {
            return XCTFail("not a refusal")
        }
        XCTAssertEqual(cut, "x" + String(repeating: "é", count: 2047))
    }

    func testAnIntroductionTooLongToSendIsAnError() {
        var random = SplitMix(seed: 5)
        var introduction = random.introduction()
        introduction.agreement = [
            AgreementLine(path: "nodes", value: String(repeating: "n", count: FrameLimits.handshake))
        ]
        XCTAssertThrowsError(try Handshake.welcome(introduction).frame())
    }

    private func payload(_ handshake: Handshake) throws -> ByteBuffer {
        var reader = FrameReader(maximumPayload: FrameLimits.handshake)
        reader.append(try handshake.frame())
        return try XCTUnwrap(try reader.next())
    }
}
