import NIOCore

/// Requests, by their number in ZooKeeper's protocol (`ZooDefs.OpCode`).
enum RequestType: Int32 { case create = 1, getData = 4, setData = 5, sync = 9, closeSession = -11 }

/// ZooKeeper's protocol, as far as this program speaks it: the records of `zookeeper.jute`, each in a frame that begins
/// with its length. Integers are big-endian. A string, a buffer and a list begin with an Int32, their length.
extension ByteBuffer {
    private mutating func writeFrame(_ fields: (inout ByteBuffer) -> Void) {
        let start = writerIndex
        writeInteger(Int32(0))
        fields(&self)
        setInteger(Int32(truncatingIfNeeded: writerIndex - start - 4), at: start)
    }

    private mutating func writeField(_ bytes: some Collection<UInt8>) {
        writeInteger(Int32(truncatingIfNeeded: bytes.count))
        writeBytes(bytes)
    }

    /// Asks for a new session. The ensemble ends it if it hears nothing for `timeout` milliseconds.
    mutating func writeConnectRequest(timeout: Int32) {
        writeFrame {
            $0.writeMultipleIntegers(Int32(0), Int64(0), timeout, Int64(0))  // version, last zxid, timeout, session
            $0.writeField(repeatElement(0, count: 16))  // password
            $0.writeInteger(UInt8(0))  // a server that has lost the others will not do
        }
    }

    mutating func writeRequest(_ type: RequestType, id: Int32, path: [UInt8], value: [UInt8]) {
        writeFrame {
            $0.writeMultipleIntegers(id, type.rawValue)
            if type == .closeSession { return }
            $0.writeField(path)
            if type == .create || type == .setData { $0.writeField(value) }
            switch type {
            case .create:
                $0.writeMultipleIntegers(Int32(1), Int32(31))  // a list of one permission: all
                $0.writeField("world".utf8)
                $0.writeField("anyone".utf8)
                $0.writeInteger(Int32(0))  // neither ephemeral nor sequential
            case .getData: $0.writeInteger(UInt8(0))  // no watch
            case .setData: $0.writeInteger(Int32(-1))  // whatever its version is
            case .sync, .closeSession: break
            }
        }
    }

    /// Takes the next frame off the front. Nil if it has not arrived whole.
    mutating func readFrame() throws -> ByteBuffer? {
        guard let length = getInteger(at: readerIndex, as: Int32.self) else { return nil }
        // The upper bound is ZooKeeper's own (`jute.maxbuffer`).
        guard 0..<1 << 20 ~= length else { throw Failure(description: "a frame of \(length) bytes") }
        guard readableBytes - 4 >= Int(length) else { return nil }
        moveReaderIndex(forwardBy: 4)
        return readSlice(length: Int(length))
    }
}
