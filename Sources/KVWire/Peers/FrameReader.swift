import KVCore
import NIOCore

/// Cuts the bytes of a connection into frames and checks them. After an error the stream is lost: close it.
package struct FrameReader {
    /// The largest payload accepted, in bytes. A longer one is refused when its header is read.
    package var maximumPayload: Int
    private var received = ByteBuffer()

    package init(maximumPayload: Int) { self.maximumPayload = maximumPayload }

    /// Bytes that wait for the rest of their frame.
    package var byteCount: Int { received.readableBytes }

    package mutating func append(_ incoming: ByteBuffer) {
        if received.readableBytes == 0 {
            received = incoming
        } else {
            received.discardReadBytes()
            received.writeImmutableBuffer(incoming)
        }
    }

    /// The payload of the next frame; nil until all of it is there. It shares memory with the reader:
    /// let it go before the next `append`, or that copies.
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

    /// All messages of a payload, appended to `messages`; on an error those before it have been.
    /// - Parameter version: of the peer protocol that the sender goes by.
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
