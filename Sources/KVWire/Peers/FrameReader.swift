import KVCore
import NIOCore

/// Splits the bytes of a connection into frames and checks them. After an error the stream is lost, so close it.
package struct FrameReader {
    /// The largest payload that is accepted, in bytes. A longer one is refused when its header is read.
    package var maximumPayload: Int
    private var received = ByteBuffer()

    package init(maximumPayload: Int) { self.maximumPayload = maximumPayload }

    /// The number of bytes that wait for the rest of their frame.
    package var byteCount: Int { received.readableBytes }

    package mutating func append(_ incoming: ByteBuffer) {
        if received.readableBytes == 0 {
            received = incoming
        } else {
            received.discardReadBytes()
            received.writeImmutableBuffer(incoming)
        }
    }

    /// The payload of the next frame; nil until all of it has arrived. It shares memory with the reader: release it
    /// before the next `append`, which would copy it otherwise.
    package mutating func next() throws(WireError) -> ByteBuffer? {
        guard let length = received.getInteger(at: received.readerIndex, endianness: .little, as: UInt32.self) else {
            return nil
        }
        guard length > 0 else { throw .emptyFrame }
        guard length <= maximumPayload else { throw .frameTooLarge(Int(length), limit: maximumPayload) }
        guard received.readableBytes >= FrameLimits.header + Int(length),
            let declared = received.getInteger(at: received.readerIndex + 4, endianness: .little, as: UInt32.self),
            let payload = received.getSlice(at: received.readerIndex + FrameLimits.header, length: Int(length))
        else { return nil }
        let computed = checksum(payload)
        guard computed == declared else { throw .checksum(declared: declared, computed: computed) }
        received.moveReaderIndex(forwardBy: FrameLimits.header + Int(length))
        if received.readableBytes == 0 { received = ByteBuffer() }
        return payload
    }

    /// Appends all messages of a payload to `messages`; on an error, those before it have been appended.
    /// - Parameter version: the version of the peer protocol that the sender uses.
    package static func decode(
        _ payload: ByteBuffer, in version: UInt16 = Handshake.protocolVersion, into messages: inout [PeerMessage]
    ) throws(WireError) {
        let problem: WireError? = payload.withUnsafeReadableBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(WireError) {
                while reader.remaining > 0 { messages.append(try reader.message(version)) }
                return nil
            } catch {
                return error
            }
        }
        if let problem { throw problem }
    }
}
