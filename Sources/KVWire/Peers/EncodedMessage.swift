import KVCore
import NIOCore

/// A message that is encoded once and sent to several peers. It can be reused: encoding another message keeps its
/// memory. Messages whose encoding depends on the version of the protocol are topologies and those that compare hash
/// trees; for them there is `init(versioned:)`.
package struct EncodedMessage: Sendable {
    private(set) var bytes = ByteBuffer()
    /// The message itself, where it is encoded otherwise in other versions of the protocol.
    private(set) var message: PeerMessage?

    package init() {}

    package init(_ message: PeerMessage) { encode(message) }

    /// A message whose encoding depends on the version of the protocol.
    package init(versioned message: PeerMessage) {
        encode(message)
        self.message = message
    }

    /// Replaces the present message by one whose encoding is the same in all versions.
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
