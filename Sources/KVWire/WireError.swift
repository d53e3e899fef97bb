import KVCore

/// Why bytes from a peer, or a stored topology, are invalid. Their sender is broken, has another version, or is not a
/// peer: the connection is closed.
package enum WireError: Error, Hashable, Sendable {
    /// The bytes end inside a value.
    case truncated
    /// Bytes follow the last value.
    case trailingBytes(Int)
    /// A message has an unknown type.
    case unknownType(UInt8)
    /// A field has a value that it must not have.
    case invalid(String)
    /// A declared length or count exceeds what follows, or what is allowed.
    case tooMany(String, UInt64)
    /// A varint is too large, or longer than necessary.
    case badInteger
    /// A frame has no payload.
    case emptyFrame
    /// A frame is larger than the limit. Both in bytes.
    case frameTooLarge(Int, limit: Int)
    /// A frame's payload does not match its checksum.
    case checksum(declared: UInt32, computed: UInt32)
    /// The handshake does not begin with the magic bytes.
    case notAPeer
    /// The handshake has another version of the protocol.
    case protocolVersion(UInt16)
    /// The datagram has another layout.
    case gossipVersion(UInt8)
    /// The datagram is from another cluster.
    case foreignCluster(UUID128)
    /// The datagram was not made with this cluster's secret.
    case unauthenticated
    /// The datagram was made with a secret, and this node has none.
    case secretMissing
    /// The topology has another format.
    case formatVersion(UInt8)
}

extension WireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated: "the bytes end inside a value"
        case .trailingBytes(let count): "\(count) bytes follow the last value"
        case .unknownType(let type): "unknown message type \(type)"
        case .invalid(let field): "invalid \(field)"
        case .tooMany(let field, let count): "\(field) of \(count) is more than there is or may be"
        case .badInteger: "malformed integer"
        case .emptyFrame: "empty frame"
        case .frameTooLarge(let size, let limit): "a frame of \(size) bytes is above the limit of \(limit)"
        case .checksum(let declared, let computed):
            "checksum \(String(computed, radix: 16)) where \(String(declared, radix: 16)) was declared"
        case .notAPeer: "it does not speak kv's peer protocol"
        case .protocolVersion(let version):
            "it speaks version \(version) of the peer protocol, this node version \(Handshake.protocolVersion)"
        case .gossipVersion(let version):
            "a datagram of version \(version); this program knows version \(GossipCodec.version)"
        case .foreignCluster(let cluster): "a datagram of another cluster, \(cluster)"
        case .unauthenticated: "a datagram without proof of this cluster's secret"
        case .secretMissing: "a datagram made with a secret, of which this node has none"
        case .formatVersion(let version):
            "a topology of format \(version); this program knows formats \(TopologyCodec.formatWithoutRuns) and \(TopologyCodec.format): run the version of kv "
                + "that wrote it, or begin with an empty data directory"
        }
    }
}
