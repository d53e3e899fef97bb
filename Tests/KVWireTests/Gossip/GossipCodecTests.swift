import Foundation
import KVCore
import XCTest

@testable import KVWire

final class GossipCodecTests: XCTestCase {
    private let cluster = UUID128(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
    private let secret = GossipSecret("correct horse battery")
    private let all: [GossipMessage.Kind] = [
        .ping(sequence: 1), .pingRequest(sequence: .max, target: NodeNumber(.max)), .ack(sequence: 0),
        .nack(sequence: 70000), .gossip,
    ]

    // MARK: The encodings that docs/wire-format.md shows. They are frozen: if a test here fails, the program is wrong.

    func testGoldenBytes() throws {
        try check(
            GossipMessage(kind: .ping(sequence: 5), incarnation: 2 << 32, epoch: 7), secret: nil,
            """
            6b76676f 01 00 0807060504030201 100f0e0d0c0b0a09 0300 01 05000000 0000 0000000002000000 0700000000000000 \
            00 f2030680
            """)
        try check(
            GossipMessage(
                kind: .pingRequest(sequence: 5, target: NodeNumber(2)), incarnation: 2 << 32, epoch: 7,
                updates: [
                    GossipUpdate(
                        node: NodeNumber(2), incarnation: 1 << 32, liveness: .suspect, source: NodeNumber(3))
                ]), secret: secret,
            """
            6b76676f 01 01 0807060504030201 100f0e0d0c0b0a09 0300 02 05000000 0200 0000000002000000 0700000000000000 \
            01 0200 0000000001000000 02 0300 d62bb517441bd07e0138c7718f2a843f
            """)
    }

    func testTheDocumentShowsEveryCode() throws {
        let document = try Self.document
        XCTAssertTrue(document.contains("1 ping, 2 ping-request, 3 ack, 4 nack, 5 gossip"))
        XCTAssertTrue(document.contains("1 alive, 2 suspect, 3 dead"))
        XCTAssertTrue(document.contains("at most \(GossipMessage.maximumUpdates)"))
        XCTAssertEqual(Liveness.allCases.map(\.rawValue), [1, 2, 3])
        XCTAssertEqual(all.map { encode(GossipMessage(kind: $0, incarnation: 0, epoch: 0))[24] }, [1, 2, 3, 4, 5])
    }

    // MARK: Round trips

    func testEveryMessageComesBack() throws {
        var random = SplitMix(seed: 1)
        for round in 0..<2000 {
            let message = message(&random, updates: Int(random.next() % 103))
            let secret = round % 2 == 0 ? secret : nil
            let bytes = encode(message, secret: secret)
            let (from, decoded) = try decode(bytes, secret: secret)
            XCTAssertEqual(from, NodeNumber(3))
            XCTAssertEqual(decoded, message)
            XCTAssertEqual(bytes.count, message.size - (secret == nil ? 12 : 0))
        }
    }

    func testNoDatagramIsLargerThanItMayBe() throws {
        var random = SplitMix(seed: 2)
        let full = message(&random, updates: GossipMessage.maximumUpdates)
        XCTAssertLessThanOrEqual(encode(full, secret: secret).count, GossipMessage.maximumSize)
        var more = full
        more.updates.append(contentsOf: full.updates)
        XCTAssertEqual(try decode(encode(more, secret: secret), secret: secret).1, full)
    }

    // MARK: Refusals

    func testStrangersAreTold() throws {
        let message = GossipMessage(kind: .gossip, incarnation: 1, epoch: 1)
        let plain = encode(message)
        let sealed = encode(message, secret: secret)
        let other = GossipSecret("correct horse batterie")
        XCTAssertEqual(refusal(plain, secret: secret), .unauthenticated)
        XCTAssertEqual(refusal(sealed, secret: nil), .secretMissing)
        XCTAssertEqual(refusal(sealed, secret: other), .unauthenticated)
        let foreign = UUID128(high: 1, low: 2)
        XCTAssertEqual(
            refusal(GossipCodec.encode(message, clusterID: foreign, from: NodeNumber(3), secret: nil)),
            .foreignCluster(foreign))
        XCTAssertEqual(refusal(Array("GET / HTTP/1.1\r\n\r\n".utf8)), .notAPeer)
        XCTAssertEqual(refusal([]), .notAPeer)
        var later = plain
        later[4] = 2
        XCTAssertEqual(refusal(later), .gossipVersion(2))
    }

    func testAnyChangeOfAnyByteIsNoticed() {
        var random = SplitMix(seed: 3)
        let message = message(&random, updates: 3)
        for secret in [nil, secret] {
            let bytes = encode(message, secret: secret)
            for index in bytes.indices {
                for bit in 0..<8 {
                    var damaged = bytes
                    damaged[index] ^= 1 << bit
                    XCTAssertNotNil(refusal(damaged, secret: secret), "byte \(index), bit \(bit)")
                }
            }
            for length in bytes.indices {
                XCTAssertNotNil(refusal(Array(bytes[..<length]), secret: secret), "cut to \(length)")
            }
            XCTAssertNotNil(refusal(bytes + [0], secret: secret))
        }
    }

    func testEachMessageHasOneEncoding() {
        var random = SplitMix(seed: 4)
        let bytes = encode(message(&random, .gossip, updates: 1))
        /// With one byte of the content set, and a checksum that fits.
        func refusal(setting index: Int, to value: UInt8) -> WireError? {
            var content = Array(bytes.dropLast(4))
            content[index] = value
            return self.refusal(sealed(content))
        }
        XCTAssertEqual(refusal(setting: 5, to: 2), .invalid("seal"))
        XCTAssertEqual(refusal(setting: 24, to: 0), .unknownType(0))
        XCTAssertEqual(refusal(setting: 24, to: 6), .unknownType(6))
        XCTAssertEqual(refusal(setting: 25, to: 1), .invalid("sequence"))
        XCTAssertEqual(refusal(setting: 29, to: 1), .invalid("target"))
        XCTAssertEqual(refusal(setting: 47, to: 0), .trailingBytes(13))
        XCTAssertEqual(refusal(setting: 47, to: 2), .tooMany("list of updates", 2))
        XCTAssertEqual(refusal(setting: 47, to: 255), .tooMany("list of updates", 255))
        XCTAssertEqual(refusal(setting: 58, to: 0), .invalid("liveness"))
        XCTAssertEqual(refusal(setting: 58, to: 4), .invalid("liveness"))
    }

    /// Random bytes behind a header and before a seal that fit: whatever is accepted is encoded so.
    func testNoBytesTrap() throws {
        var random = SplitMix(seed: 5)
        var accepted = 0
        for round in 0..<20_000 {
            let template = encode(message(&random, updates: Int(random.next() % 3)))
            var content = Array(template.dropLast(4))
            switch round % 3 {
            case 0:
                for _ in 0...random.next() % 4 {
                    content[Int(random.next() % UInt64(content.count))] = UInt8(truncatingIfNeeded: random.next() % 7)
                }
            case 1: content = (0..<random.next() % 100).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            default:
                content = Array(content.prefix(22)) + (0..<26).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            }
            let bytes = sealed(content)
            guard let (from, message) = try? decode(bytes) else { continue }
            accepted += 1
            XCTAssertEqual(GossipCodec.encode(message, clusterID: cluster, from: from, secret: nil), bytes)
        }
        XCTAssertGreaterThan(accepted, 100)
    }

    // MARK: Secrets

    func testASecretIsLongEnoughAndNotShown() throws {
        XCTAssertNil(GossipSecret("fifteen letters"))
        let secret = try XCTUnwrap(GossipSecret("sixteen letters!"))
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\(Optional(secret) as Any)", dumped] {
            XCTAssertFalse(text.contains("sixteen"), text)
        }
    }

    private func message(
        _ random: inout SplitMix, _ kind: GossipMessage.Kind? = nil, updates: Int
    ) -> GossipMessage {
        GossipMessage(
            kind: kind ?? all[Int(random.next() % UInt64(all.count))], incarnation: random.next(),
            epoch: random.next(),
            updates: (0..<updates).map { _ in
                GossipUpdate(
                    node: NodeNumber(UInt16(truncatingIfNeeded: random.next())), incarnation: random.next(),
                    liveness: Liveness.allCases[Int(random.next() % 3)],
                    source: NodeNumber(UInt16(truncatingIfNeeded: random.next())))
            })
    }

    private func encode(_ message: GossipMessage, secret: GossipSecret? = nil) -> [UInt8] {
        GossipCodec.encode(message, clusterID: cluster, from: NodeNumber(3), secret: secret)
    }

    private func decode(_ bytes: [UInt8], secret: GossipSecret? = nil) throws -> (from: NodeNumber, GossipMessage) {
        try bytes.withUnsafeBytes { try GossipCodec.decode($0, clusterID: cluster, secret: secret) }
    }

    private func refusal(_ bytes: [UInt8], secret: GossipSecret? = nil) -> WireError? {
        do {
            _ = try decode(bytes, secret: secret)
            return nil
        } catch {
            return error as? WireError
        }
    }

    private func sealed(_ content: [UInt8]) -> [UInt8] {
        let sum = content.withUnsafeBytes { KVWire.checksum($0) }
        return content + withUnsafeBytes(of: sum.littleEndian) { Array($0) }
    }

    private func check(
        _ message: GossipMessage, secret: GossipSecret?, _ expected: String, line: UInt = #line
    ) throws {
        let bytes = encode(message, secret: secret)
        let found = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        XCTAssertEqual(found, expected.filter { $0 != " " }, line: line)
        XCTAssertTrue(try Self.document.contains(expected), "the document does not show this", line: line)
        XCTAssertEqual(try decode(bytes, secret: secret).1, message, line: line)
    }

    private static var document: String {
        get throws {
            let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            let text = try String(contentsOf: root.appendingPathComponent("docs/wire-format.md"), encoding: .utf8)
            return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }
}
