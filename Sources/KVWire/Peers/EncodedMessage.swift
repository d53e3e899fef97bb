import KVCore
import NIOCore

/// A message's bytes, to be sent to several peers and encoded once. Reusable: encoding another one into it keeps its
/// memory. Only for messages that are written alike in all versions of the protocol: all but those that compare hash
/// trees.
public struct EncodedMessage: Sendable {
    private(set) var bytes = ByteBuffer()

    public init() {}

    public init(_ message: PeerMessage) { encode(message) }

    /// Replaces what it held.
    public mutating func encode(_ message: PeerMessage) {
        bytes.clear()
        bytes.write(message, Handshake.protocolVersion, bound: message.encodedBound)
    }

    public var byteCount: Int { bytes.readableBytes }
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
