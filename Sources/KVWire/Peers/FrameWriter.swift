import KVCore
import NIOCore

/// The sizes of frames between peers, in bytes.
package enum FrameLimits {
    /// Length and checksum, before the payload.
    package static let header = 8
    /// The largest payload: the largest value that can be configured (64 MiB), its key, and room to spare.
    package static let payload = 80 << 20
    /// The values of one request together: the rest is ample for its key and all else.
    package static let values = 72 << 20
    /// The largest payload before the handshake is done, when the other side may be anybody.
    package static let handshake = 1 << 20
    /// A frame that has grown to this is closed and the next begun: only a message larger than it makes a larger frame.
    static let target = 1 << 20
    /// What a writer reserves at most before it knows how much will come.
    static let reserve = 64 << 10
    /// What a writer keeps at most of what it has reserved.
    static let kept = 256 << 10
}

/// Gathers the messages of one tick for one peer, encoded where they will be sent from: one buffer, one write.
package struct FrameWriter {
    /// Empty, or while no frame is open, what was last sent: its memory is used again once it has left.
    private var buffer = ByteBuffer()
    /// Where the open frame's header is; nil while none is open.
    private var start: Int?
    /// The version of the peer protocol that messages are written in.
    package var protocolVersion = Handshake.protocolVersion
    /// What the last tick took, as a guess at the next.
    private var expected = 512

    package init() {}

    package var isEmpty: Bool { start == nil }
    /// Bytes gathered, headers included.
    package var byteCount: Int { isEmpty ? 0 : buffer.readableBytes }

    /// False, and nothing is written, if the message (by an estimate that errs on the large side) is above
    /// `FrameLimits.payload`.
    @discardableResult
    package mutating func append(_ message: PeerMessage) -> Bool {
        let bound = message.encodedBound
        guard makeRoom(bound) else { return false }
        buffer.write(message, protocolVersion, bound: bound)
        return true
    }

    /// As above, of a message encoded before. False also if none was.
    @discardableResult
    package mutating func append(_ message: EncodedMessage) -> Bool {
        guard message.byteCount > 0, makeRoom(message.byteCount) else { return false }
        buffer.writeImmutableBuffer(message.bytes)
        return true
    }

    /// The frames gathered, ready to be sent; nil if there are none. The writer is empty afterwards.
    package mutating func finish() -> ByteBuffer? {
        guard start != nil else { return nil }
        seal()
        let frames = buffer
        expected = min(max(frames.readableBytes, 512), FrameLimits.reserve)
        if buffer.capacity > FrameLimits.kept { buffer = ByteBuffer() }
        return frames
    }

    /// Forgets what was gathered.
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
    /// Fills in the header, at `start`, of the frame that ends where the buffer does.
    mutating func sealFrame(at start: Int) {
        let length = writerIndex - start - FrameLimits.header
        let sum = withUnsafeReadableBytes { bytes in
            checksum(UnsafeRawBufferPointer(rebasing: bytes[(start + FrameLimits.header - readerIndex)...]))
        }
        setInteger(UInt32(length), at: start, endianness: .little)
        setInteger(sum, at: start + 4, endianness: .little)
    }
}
