import KVCore
import NIOCore

/// A message's bytes, to be sent to several peers and encoded once. Reusable: encoding another one into it keeps its
/// memory. Only for messages that are written alike in all versions of the protocol: all but those that compare hash
/// trees.
package struct EncodedMessage: Sendable {
    private(set) var bytes = ByteBuffer()

    package init() {}

    package init(_ message: PeerMessage) { encode(message) }

    /// Replaces what it held.
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
