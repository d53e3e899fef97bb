import NIOCore

/// Writes requests as Redis's clients send them: an array of bulk strings, beginning with the command's name.
package enum RESPRequestWriter {
    /// Writes a whole request.
    package static func write(_ words: some Collection<some Sequence<UInt8>>, to buffer: inout ByteBuffer) {
        begin(words.count, in: &buffer)
        for word in words { argument(Array(word), to: &buffer) }
    }

    /// Writes a whole request of text.
    package static func write(_ words: String..., to buffer: inout ByteBuffer) {
        begin(words.count, in: &buffer)
        for word in words { argument(word.utf8, to: &buffer) }
    }

    /// Writes the head of a request; `count` arguments follow, including the command's name.
    package static func begin(_ count: Int, in buffer: inout ByteBuffer) {
        head(UInt8(ascii: "*"), count, in: &buffer)
    }

    @inlinable
    package static func argument(_ bytes: some Collection<UInt8>, to buffer: inout ByteBuffer) {
        beginArgument(bytes.count, in: &buffer)
        buffer.writeBytes(bytes)
        endArgument(in: &buffer)
    }

    /// Writes the head of an argument. The caller writes its `count` bytes, and then its end.
    package static func beginArgument(_ count: Int, in buffer: inout ByteBuffer) {
        head(UInt8(ascii: "$"), count, in: &buffer)
    }

    package static func endArgument(in buffer: inout ByteBuffer) { buffer.writeInteger(0x0d0a as UInt16) }

    private static func head(_ mark: UInt8, _ count: Int, in buffer: inout ByteBuffer) {
        buffer.writeInteger(mark)
        if 0..<10 ~= count {
            buffer.writeInteger(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: count))
        } else {
            buffer.writeString(String(count))
        }
        buffer.writeInteger(0x0d0a as UInt16)
    }
}
