import NIOCore

/// The first bytes of both sides of a connection. They tell the protocol from HTTP and from Redis's, whose requests
/// have no zero byte there, and agree on a version.
///
/// The client says which versions it speaks. The node answers with the newest of these that it speaks as well, or with
/// 0 if there is none; it closes the connection then. The client's preface ends a line, so that a node of version 0.2,
/// which takes it for a command of Redis's protocol, answers at once that it knows none of this name.
package enum Preface {
    /// The newest version that this program speaks.
    package static let newest: UInt8 = 1
    /// The oldest version that this program speaks.
    package static let oldest: UInt8 = 1

    /// "KV" and a zero.
    package static let magic: [UInt8] = [0x4B, 0x56, 0x00]
    private static let lineEnd: [UInt8] = [0x0D, 0x0A]
    /// Magic bytes, oldest version, newest version, line end.
    package static let clientLength = 7
    /// Magic bytes, version.
    package static let nodeLength = 4

    /// Whether a connection that begins with these bytes speaks this protocol; nil if more of them are needed.
    package static func begins(_ bytes: some Collection<UInt8>) -> Bool? {
        guard bytes.count < magic.count else { return bytes.starts(with: magic) }
        return magic.starts(with: bytes) ? nil : false
    }

    package static func writeClient(to buffer: inout ByteBuffer) {
        buffer.writeBytes(magic)
        buffer.writeMultipleIntegers(oldest, newest)
        buffer.writeBytes(lineEnd)
    }

    /// - Parameter version: 0 if the node speaks none of the client's.
    package static func writeNode(_ version: UInt8, to buffer: inout ByteBuffer) {
        buffer.writeBytes(magic)
        buffer.writeInteger(version)
    }

    /// Reads a client's preface.
    /// - Returns: the version to speak, 0 if there is none; nil if more bytes are needed.
    package static func readClient(from buffer: inout ByteBuffer) throws(FrameError) -> UInt8? {
        guard try readMagic(from: buffer, length: clientLength) else { return nil }
        buffer.moveReaderIndex(forwardBy: magic.count)
        guard let (first, last) = buffer.readMultipleIntegers(as: (UInt8, UInt8).self) else { return nil }
        guard first >= 1, first <= last else { throw .invalid("range of versions") }
        guard buffer.readBytes(length: lineEnd.count) == lineEnd else { throw .notThisProtocol }
        let version = min(last, newest)
        return version >= max(first, oldest) ? version : 0
    }

    /// Reads a node's preface.
    /// - Returns: the version that the node chose, 0 if it speaks none of the client's; nil if more bytes are needed.
    package static func readNode(from buffer: inout ByteBuffer) throws(FrameError) -> UInt8? {
        guard try readMagic(from: buffer, length: nodeLength) else { return nil }
        buffer.moveReaderIndex(forwardBy: magic.count)
        guard let version: UInt8 = buffer.readInteger() else { return nil }
        guard version <= newest else { throw .invalid("version") }
        return version
    }

    /// Fails as soon as one byte is another's.
    private static func readMagic(from buffer: ByteBuffer, length: Int) throws(FrameError) -> Bool {
        guard begins(buffer.readableBytesView) != false else { throw .notThisProtocol }
        return buffer.readableBytes >= length
    }
}
