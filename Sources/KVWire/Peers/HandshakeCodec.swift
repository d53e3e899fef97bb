import KVCore
import NIOCore

/// "kvpeer", which begins every handshake in every version of the protocol.
private let magic: [UInt8] = [0x6b, 0x76, 0x70, 0x65, 0x65, 0x72]

private enum HandshakeType: UInt8 {
    case hello = 1
    case welcome = 2
    case refusal = 3
}

extension Handshake {
    /// Encodes a whole frame. Throws only if it is larger than `FrameLimits.handshake`.
    /// - Parameter version: the version of the protocol in which a refusal must be readable: that of the hello, or the
    ///   lowest.
    package func frame(refusingIn version: UInt16 = Handshake.protocolVersion) throws(WireError) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeRepeatingByte(0, count: FrameLimits.header)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bound) { space in
            var writer = ByteWriter(space)
            writer.handshake(self, refusingIn: version)
            return writer.count
        }
        let size = buffer.readableBytes - FrameLimits.header
        guard size <= FrameLimits.handshake else { throw .frameTooLarge(size, limit: FrameLimits.handshake) }
        buffer.sealFrame(at: 0)
        return buffer
    }

    /// Decodes a frame's payload.
    package static func decode(_ payload: ByteBuffer) throws(WireError) -> Handshake {
        let result: Result<Handshake, WireError> = payload.withUnsafeReadableBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(WireError) {
                let handshake = try reader.handshake()
                try reader.finish()
                return .success(handshake)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private var bound: Int {
        switch self {
        case .hello(let introduction, _), .welcome(let introduction):
            introduction.agreement.reduce(
                160 + introduction.clusterName.utf8.count + introduction.nodeID.utf8.count
            ) { $0 + $1.path.utf8.count + $1.value.utf8.count + 2 * ByteWriter.varintBound }
                + (introduction.starts.count + 2) * 2 * ByteWriter.varintBound
        case .refusal: 32 + Self.maximumRefusal
        }
    }
}

extension ByteWriter {
    fileprivate mutating func handshake(_ handshake: Handshake, refusingIn version: UInt16) {
        magic.withUnsafeBytes { raw($0) }
        switch handshake {
        case .hello(let introduction, let shard):
            fixed(introduction.version)
            code(HandshakeType.hello)
            self.introduction(introduction)
            varint(count: shard.index)
            varint(count: shard.count)
        case .welcome(let introduction):
            fixed(introduction.version)
            code(HandshakeType.welcome)
            self.introduction(introduction)
        case .refusal(let refusal):
            fixed(refusal.version)
            code(HandshakeType.refusal)
            string(refusal.text.cut(to: Handshake.maximumRefusal))
            if version >= 4 { code(refusal.code) }
        }
    }

    private mutating func introduction(_ introduction: Introduction) {
        uuid(introduction.clusterID)
        string(introduction.clusterName)
        varint(UInt64(introduction.node.raw))
        string(introduction.nodeID)
        uuid(introduction.store)
        varint(introduction.boot)
        varint(introduction.epoch)
        varint(count: introduction.agreement.count)
        for line in introduction.agreement {
            string(line.path)
            string(line.value)
        }
        guard introduction.version >= 4 else { return }
        varint(count: introduction.starts.count)
        for start in introduction.starts {
            varint(start.boot)
            fixed(start.nonce)
        }
        varint(count: introduction.progress.count)
        for batch in introduction.progress { varint(batch) }
        varint(introduction.wall)
    }
}

extension ByteReader {
    fileprivate mutating func handshake() throws(WireError) -> Handshake {
        for expected in magic {
            guard remaining > 0, try byte() == expected else { throw .notAPeer }
        }
        let version = try fixed(UInt16.self)
        let type = try byte()
        if type == HandshakeType.refusal.rawValue {
            return .refusal(try refusal(version))
        }
        guard Handshake.versions.contains(version) else { throw .protocolVersion(version) }
        switch HandshakeType(rawValue: type) {
        case .hello:
            let introduction = try introduction(version)
            let index: Int = try varint(in: 0...ShardPosition.maximumCount - 1, "index of a shard")
            let count: Int = try varint(in: index + 1...ShardPosition.maximumCount, "count of shards")
            return .hello(introduction, shard: ShardPosition(index: index, count: count))
        case .welcome: return .welcome(try introduction(version))
        case .refusal, nil: throw .unknownType(type)
        }
    }

    /// A code that this program does not know counts as none: the text says what there is to know.
    private mutating func refusal(_ version: UInt16) throws(WireError) -> HandshakeRefusal {
        let text = try string("refusal", limit: Handshake.maximumRefusal)
        let code = remaining > 0 ? HandshakeRefusal.Code(rawValue: try byte()) : nil
        return HandshakeRefusal(code ?? .unspecified, text, version: version)
    }

    private mutating func starts() throws(WireError) -> [ProcessStart] {
        let count = try count(of: "list of starts", size: 9, limit: ProcessStart.maximumRemembered)
        var starts: [ProcessStart] = []
        for _ in 0..<count { starts.append(ProcessStart(boot: try varint(), nonce: try fixed(UInt64.self))) }
        return starts
    }

    private mutating func progress() throws(WireError) -> [UInt64] {
        let count = try count(of: "list of batches", size: 1, limit: ShardPosition.maximumCount)
        var progress: [UInt64] = []
        for _ in 0..<count { progress.append(try varint()) }
        return progress
    }

    private mutating func introduction(_ version: UInt16) throws(WireError) -> Introduction {
        let clusterID = try uuid()
        let clusterName = try string("cluster name", limit: Introduction.maximumName)
        let node = try node()
        let nodeID = try string("node id", limit: Introduction.maximumName)
        let store = try uuid()
        let boot = try varint()
        let epoch = try varint()
        let count = try count(of: "list of agreements", size: 2)
        var agreement: [AgreementLine] = []
        agreement.reserveCapacity(count)
        for _ in 0..<count {
            let path = try string("path", limit: FrameLimits.handshake)
            agreement.append(AgreementLine(path: path, value: try string("value", limit: FrameLimits.handshake)))
        }
        return Introduction(
            clusterID: clusterID, clusterName: clusterName, node: node, nodeID: nodeID, store: store, boot: boot,
            epoch: epoch, agreement: agreement, starts: version >= 4 ? try starts() : [],
            progress: version >= 4 ? try progress() : [], wall: version >= 4 ? try varint() : 0, version: version)
    }
}
