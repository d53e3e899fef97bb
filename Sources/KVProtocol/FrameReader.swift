import NIOCore

/// Splits the bytes of a connection into frames: a length, and so many bytes.
package struct FrameReader {
    /// The bytes of a frame before the ones that its length counts.
    package static let lengthBytes = 4
    /// The smallest length: a number, a kind and flags.
    static let smallest = 6

    private var buffer = ByteBuffer()
    /// The largest length of a frame.
    package var limit: Int

    package init(limit: Int) { self.limit = limit }

    package var readableBytes: Int { buffer.readableBytes }

    package mutating func append(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            if buffer.readerIndex > buffer.readableBytes { buffer.discardReadBytes() }
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// Gives back the memory of what has been read.
    /// - Parameter capacity: the bytes that may be kept.
    package mutating func shrink(to capacity: Int) {
        if buffer.readableBytes == 0, buffer.capacity > capacity { buffer = ByteBuffer() }
    }

    package mutating func clear() { buffer = ByteBuffer() }

    /// Reads a preface (`Preface`), which has no length.
    package mutating func preface(
        _ read: (inout ByteBuffer) throws(FrameError) -> UInt8?
    ) throws(FrameError) -> UInt8? {
        try read(&buffer)
    }

    /// The next frame without its length; nil if more bytes are needed.
    package mutating func next() throws(FrameError) -> ByteBuffer? {
        guard let length: UInt32 = buffer.getInteger(at: buffer.readerIndex, endianness: .little) else { return nil }
        guard length >= UInt32(Self.smallest), length <= limit else { throw .length(Int(length), limit: limit) }
        guard buffer.readableBytes >= Self.lengthBytes + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: Self.lengthBytes)
        return buffer.readSlice(length: Int(length))
    }
}
