import KVCore
import NIOCore

/// The sizes of frames between peers, in bytes.
package enum FrameLimits {
    /// The length and the checksum, before the payload.
    package static let header = 8
    /// The largest payload: the largest value that can be configured (64 MiB), its key, and room to spare.
    package static let payload = 80 << 20
    /// The values of one request together. The rest is ample for its key and everything else.
    package static let values = 72 << 20
    /// The largest payload before the handshake is done, when the other side may be anybody.
    package static let handshake = 1 << 20
    /// The size at which a frame is closed and the next begun. Only a message that is larger makes a larger frame.
    static let target = 1 << 20
    /// The most bytes that a writer reserves before it knows the size of its messages.
    static let reserve = 64 << 10
    /// The most bytes that a writer keeps reserved after sending.
    static let kept = 256 << 10
}

/// Collects the messages of one tick for one peer, encoded in the buffer that is sent: one buffer, one write.
package struct FrameWriter {
    /// Empty, or, while no frame is open, what was sent last: its memory is used again once it has been written.
    private var buffer = ByteBuffer()
    /// The offset of the open frame's header; nil while none is open.
    private var start: Int?
    /// The version of the peer protocol that messages are encoded in.
    package var protocolVersion = Handshake.protocolVersion
    /// The size of the last tick, as a guess for the next.
    private var expected = 512

    package init() {}

    package var isEmpty: Bool { start == nil }
    /// The number of collected bytes, headers included.
    package var byteCount: Int { isEmpty ? 0 : buffer.readableBytes }

    /// Returns false, and writes nothing, if the message is larger than `FrameLimits.payload`, by an upper bound of its
    /// size.
    @discardableResult
    package mutating func append(_ message: PeerMessage) -> Bool {
        let bound = message.encodedBound
        guard makeRoom(bound) else { return false }
        buffer.write(message, protocolVersion, bound: bound)
        return true
    }

    /// Like `append(_: PeerMessage)`, for a message that was encoded before. False also for an empty one.
    @discardableResult
    package mutating func append(_ message: EncodedMessage) -> Bool {
        if protocolVersion != Handshake.protocolVersion, let message = message.message { return append(message) }
        guard message.byteCount > 0, makeRoom(message.byteCount) else { return false }
        buffer.writeImmutableBuffer(message.bytes)
        return true
    }

    /// Returns the collected frames, ready to be sent; nil if there are none. The writer is empty afterwards.
    package mutating func finish() -> ByteBuffer? {
        guard start != nil else { return nil }
        seal()
        let frames = buffer
        expected = min(max(frames.readableBytes, 512), FrameLimits.reserve)
        if buffer.capacity > FrameLimits.kept { buffer = ByteBuffer() }
        return frames
    }

    /// Forgets the collected messages.
    package mutating func discard() {
        start = nil
        buffer = ByteBuffer()
    }

    private mutating func makeRoom(_ bound: Int) -> Bool {
        guard bound <= FrameLimits.payload else { return false }
        if let start {
            let payload = buffer.writerIndex - start - FrameLimits.header
            guard payload + bound > FrameLimits.target else { return true }
            seal()
        } else {
            buffer.clear(minimumCapacity: expected)
        }
        start = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: FrameLimits.header)
        return true
    }

    private mutating func seal() {
        guard let start else { return }
        buffer.sealFrame(at: start)
        self.start = nil
    }
}

extension ByteBuffer {
    /// Fills in the header, at `start`, of the frame that ends where the buffer ends.
    mutating func sealFrame(at start: Int) {
        let length = writerIndex - start - FrameLimits.header
        let sum = withUnsafeReadableBytes { bytes in
            checksum(UnsafeRawBufferPointer(rebasing: bytes[(start + FrameLimits.header - readerIndex)...]))
        }
        setInteger(UInt32(length), at: start, endianness: .little)
        setInteger(sum, at: start + 4, endianness: .little)
    }
}
