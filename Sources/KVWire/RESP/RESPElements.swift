import NIOCore

/// The strings of an array, written one by one before their number is known: the reply is complete as soon as the last
/// of them is there, however many they are.
package struct RESPElements: Sendable {
    /// Room in front of the strings for the head of the array: a mark, 19 digits, and the end of the line.
    private static let headroom = 22

    package private(set) var count = 0
    private var writer = RESPReplyWriter()

    package init() {}

    package mutating func append(_ bytes: [UInt8]) {
        if count == 0 {
            var buffer = ByteBuffer()
            buffer.writeRepeatingByte(0, count: Self.headroom)
            writer = RESPReplyWriter(pending: buffer)
        }
        writer.bulk(bytes)
        count += 1
    }

    /// Takes the whole array, which is the same in both versions of the protocol. Nothing is left.
    package mutating func takeArray() -> ByteBuffer {
        var head = RESPReplyWriter()
        head.array(count)
        guard count > 0 else { return head.take() }
        var whole = writer.take()
        count = 0
        let start = Self.headroom - head.pending.readableBytes
        whole.setBuffer(head.pending, at: start)
        whole.moveReaderIndex(to: start)
        return whole
    }
}
