import KVCore
import NIOCore

/// A message that is encoded once and sent to several peers. It can be reused: encoding another message keeps its
/// memory. It serves only messages that have the same encoding in all versions of the protocol, which are all except
/// those that compare hash trees.
package struct EncodedMessage: Sendable {
    private(set) var bytes = ByteBuffer()

    package init() {}

    package init(_ message: PeerMessage) { encode(message) }

    /// Replaces the present message.
    package mutating func encode(_ message: PeerMessage) {
        bytes.clear()
        bytes.write(message, Handshake.protocolVersion, bound: message.encodedBound)
    }

    package var byteCount: Int { bytes.readableBytes }
}

extension ByteBuffer {
    mutating func write(_ message: PeerMessage, _ protocolVersion: UInt16, bound: Int) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
            var writer = ByteWriter(space)
            writer.message(message, protocolVersion)
            return writer.count
        }
    }
}
