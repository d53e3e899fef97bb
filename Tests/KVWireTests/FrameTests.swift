import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class FrameTests: XCTestCase {
    func testMessagesOfATickTravelInOneFrame() throws {
        var random = SplitMix(seed: 1)
        let messages = random.messages()
        var writer = FrameWriter()
        for message in messages.dropLast() { XCTAssertTrue(writer.append(message)) }
        XCTAssertTrue(writer.append(EncodedMessage(messages[messages.count - 1])))

        let frames = try XCTUnwrap(writer.finish())
        XCTAssertEqual(frames.getInteger(at: 0, endianness: .little, as: UInt32.self), UInt32(frames.readableBytes - 8))
        XCTAssertEqual(try read(frames), messages)
        XCTAssertTrue(writer.isEmpty)
        XCTAssertNil(writer.finish())
    }

    func testWhatWasSentIsUsedAgainOnlyOnceItIsLetGo() throws {
        var writer = FrameWriter()
        let message = PeerMessage.shards(.outdated(epoch: 7))
        writer.append(message)
        let kept = try XCTUnwrap(writer.finish())
        XCTAssertEqual(writer.byteCount, 0)
        writer.append(.shards(.outdated(epoch: 8)))
        XCTAssertEqual(try read(kept), [message], "it has not been written over")
        XCTAssertEqual(try read(try XCTUnwrap(writer.finish())), [.shards(.outdated(epoch: 8))])
        writer.append(.shards(.outdated(epoch: 9)))
        let next = try XCTUnwrap(writer.finish())
        XCTAssertEqual(next.readerIndex, 0)
        XCTAssertEqual(try read(next), [.shards(.outdated(epoch: 9))])
        writer.append(.shards(.outdated(epoch: 10)))
        writer.discard()
        XCTAssertNil(writer.finish())
    }

    func testFramesArriveInAnyPieces() throws {
        var random = SplitMix(seed: 2)
        var writer = FrameWriter()
        var stream = ByteBuffer()
        var messages: [PeerMessage] = []
        for _ in 0..<3 {
            let tick = random.messages()
            messages += tick
            for message in tick { writer.append(message) }
            stream.writeImmutableBuffer(try XCTUnwrap(writer.finish()))
        }
        for pieces in [1, 7, 100, 5000] {
            var reader = FrameReader(maximumPayload: FrameLimits.payload)
            var rest = stream
            var decoded: [PeerMessage] = []
            while rest.readableBytes > 0 {
                reader.append(try XCTUnwrap(rest.readSlice(length: min(pieces, rest.readableBytes))))
                while let payload = try reader.next() { try FrameReader.decode(payload, into: &decoded) }
            }
            XCTAssertEqual(decoded, messages, "in pieces of \(pieces)")
            XCTAssertEqual(reader.byteCount, 0)
        }
    }

    func testALongTickIsCutIntoFrames() throws {
        let value = [UInt8](repeating: 7, count: 400_000)
        let header = PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: Ballot(raw: 1))
        let messages = (0..<6).map {
            PeerMessage.replica(header, .accept(key: Key("\($0)"), record: Record(version: .zero, value: value)))
        }
        var writer = FrameWriter()
        for message in messages { writer.append(message) }
        var frames = try XCTUnwrap(writer.finish())
        XCTAssertEqual(try read(frames), messages)

        var count = 0
        while let length = frames.readInteger(endianness: .little, as: UInt32.self) {
            XCTAssertLessThanOrEqual(Int(length), FrameLimits.target)
            frames.moveReaderIndex(forwardBy: 4 + Int(length))
            count += 1
        }
        XCTAssertEqual(count, 3)
    }

    func testAMessageAboveTheLimitIsNotTaken() {
        let header = PartitionHeader(partition: PartitionID(1), epoch: 1, ballot: Ballot(raw: 1))
        let value = [UInt8](repeating: 0, count: FrameLimits.payload)
        let message = PeerMessage.replica(
            header, .accept(key: Key("k"), record: Record(version: .zero, value: value)))
        var writer = FrameWriter()
        XCTAssertFalse(writer.append(message))
        XCTAssertFalse(writer.append(EncodedMessage()))
        XCTAssertNil(writer.finish())
    }

    func testDiscardForgetsTheTick() {
        var writer = FrameWriter()
        writer.append(.shards(.outdated(epoch: 1)))
        writer.discard()
        XCTAssertTrue(writer.isEmpty)
        XCTAssertEqual(writer.byteCount, 0)
        XCTAssertNil(writer.finish())
    }

    func testAFlippedBitAnywhereIsNoticed() throws {
        var writer = FrameWriter()
        writer.append(.shards(.outdated(epoch: 300)))
        let frame = try XCTUnwrap(writer.finish())
        for bit in 0..<frame.readableBytes * 8 {
            var damaged = frame
            damaged.setInteger(
                frame.getInteger(at: bit / 8, as: UInt8.self).map { $0 ^ (1 << (bit % 8)) } ?? 0, at: bit / 8)
            var reader = FrameReader(maximumPayload: 1000)
            reader.append(damaged)
            // A longer frame than was sent never ends; anything else is an error.
            let payload = try? reader.next()
            XCTAssertNil(payload, "bit \(bit)")
        }
    }

    func testADeclaredLengthIsCheckedBeforeItsBytesCome() {
        XCTAssertEqual(refusal([0xff, 0xff, 0xff, 0xff]), .frameTooLarge(4_294_967_295, limit: 1000))
        XCTAssertEqual(refusal([0xe9, 0x03, 0, 0]), .frameTooLarge(1001, limit: 1000))
        XCTAssertEqual(refusal([0, 0, 0, 0, 0, 0, 0, 0]), .emptyFrame)
        XCTAssertEqual(refusal([1, 0, 0, 0, 0, 0, 0, 0, 9]), .checksum(declared: 0, computed: 0x2acf_889d))
        XCTAssertNil(refusal([0xe8, 0x03, 0, 0]))
        XCTAssertNil(refusal([0xff, 0xff, 0xff]))
    }

    func testAnEncodedMessageCanBeUsedAgain() throws {
        var encoded = EncodedMessage(.shards(.outdated(epoch: 1)))
        var writer = FrameWriter()
        writer.append(encoded)
        encoded.encode(.shards(.outdated(epoch: 300)))
        XCTAssertEqual(encoded.byteCount, 3)
        writer.append(encoded)
        XCTAssertEqual(
            try read(try XCTUnwrap(writer.finish())), [.shards(.outdated(epoch: 1)), .shards(.outdated(epoch: 300))])
    }

    private func refusal(_ bytes: [UInt8]) -> WireError? {
        var reader = FrameReader(maximumPayload: 1000)
        reader.append(ByteBuffer(bytes: bytes))
        do throws(WireError) {
            _ = try reader.next()
            return nil
        } catch {
            return error
        }
    }

    private func read(_ frames: ByteBuffer) throws -> [PeerMessage] {
        var reader = FrameReader(maximumPayload: FrameLimits.payload)
        reader.append(frames)
        var messages: [PeerMessage] = []
        while let payload = try reader.next() { try FrameReader.decode(payload, into: &messages) }
        return messages
    }
}
