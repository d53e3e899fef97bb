import Crypto
import KVCore

/// Encodes messages of failure detection as datagrams: docs/wire-format.md.
///
/// Each has a checksum or, in a cluster with a secret, an authenticator. There is no protection from replays, and none
/// is needed: later incarnations overrule what an old datagram says.
package enum GossipCodec {
    /// The version of the layout. A change takes the next number.
    package static let version: UInt8 = 1

    /// "kvgo", which begins every datagram in every version.
    static let magic: [UInt8] = [0x6b, 0x76, 0x67, 0x6f]

    /// Leaves out updates beyond `GossipMessage.maximumUpdates`, which would not fit.
    package static func encode(
        _ message: GossipMessage, clusterID: UUID128, from: NodeNumber, secret: GossipSecret?
    ) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: GossipMessage.maximumSize) { space, count in
            let space = UnsafeMutableRawBufferPointer(space)
            var writer = ByteWriter(space)
            magic.withUnsafeBytes { writer.raw($0) }
            writer.byte(version)
            writer.byte((secret == nil ? GossipSeal.checksum : .authenticator).rawValue)
            writer.fixed(clusterID.high)
            writer.fixed(clusterID.low)
            writer.fixed(from.raw)
            writer.gossip(message)
            let content = UnsafeRawBufferPointer(rebasing: space[..<writer.count])
            if let secret {
                GossipSeal.authenticator(of: content, secret).withUnsafeBytes { code in
                    writer.raw(UnsafeRawBufferPointer(rebasing: code[..<GossipSeal.authenticatorSize]))
                }
            } else {
                writer.fixed(checksum(content))
            }
            count = writer.count
        }
    }

    /// Throws for everything that `encode` with the same cluster and secret would not have written.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, clusterID: UUID128, secret: GossipSecret?
    ) throws(WireError) -> (from: NodeNumber, GossipMessage) {
        guard bytes.count >= magic.count, bytes.prefix(magic.count).elementsEqual(magic) else { throw .notAPeer }
        let content = try GossipSeal.check(bytes, secret)
        var reader = ByteReader(content)
        for _ in 0..<magic.count + 2 { _ = try reader.byte() }
        let cluster = UUID128(high: try reader.fixed(UInt64.self), low: try reader.fixed(UInt64.self))
        guard cluster == clusterID else { throw .foreignCluster(cluster) }
        let from = NodeNumber(try reader.fixed(UInt16.self))
        let message = try reader.gossip()
        try reader.finish()
        return (from, message)
    }
}

private enum GossipType: UInt8 {
    case ping = 1
    case pingRequest = 2
    case ack = 3
    case nack = 4
    case gossip = 5
}

extension ByteWriter {
    fileprivate mutating func gossip(_ message: GossipMessage) {
        switch message.kind {
        case .ping(let sequence): kind(.ping, sequence)
        case .pingRequest(let sequence, let target): kind(.pingRequest, sequence, target.raw)
        case .ack(let sequence): kind(.ack, sequence)
        case .nack(let sequence): kind(.nack, sequence)
        case .gossip: kind(.gossip)
        }
        fixed(message.incarnation)
        fixed(message.epoch)
        let updates = message.updates.prefix(GossipMessage.maximumUpdates)
        byte(UInt8(clamping: updates.count))
        for update in updates {
            fixed(update.node.raw)
            fixed(update.incarnation)
            byte(update.liveness.rawValue)
            fixed(update.source.raw)
        }
    }

    private mutating func kind(_ type: GossipType, _ sequence: UInt32 = 0, _ target: UInt16 = 0) {
        byte(type.rawValue)
        fixed(sequence)
        fixed(target)
    }
}

extension ByteReader {
    fileprivate mutating func gossip() throws(WireError) -> GossipMessage {
        let kind = try gossipKind()
        let incarnation = try fixed(UInt64.self)
        let epoch = try fixed(UInt64.self)
        let count = Int(try byte())
        guard count <= GossipMessage.maximumUpdates, count <= remaining / GossipMessage.updateSize else {
            throw .tooMany("list of updates", UInt64(count))
        }
        var updates: [GossipUpdate] = []
        updates.reserveCapacity(count)
        for _ in 0..<count {
            let node = NodeNumber(try fixed(UInt16.self))
            let incarnation = try fixed(UInt64.self)
            guard let liveness = Liveness(rawValue: try byte()) else { throw .invalid("liveness") }
            let source = NodeNumber(try fixed(UInt16.self))
            updates.append(GossipUpdate(node: node, incarnation: incarnation, liveness: liveness, source: source))
        }
        return GossipMessage(kind: kind, incarnation: incarnation, epoch: epoch, updates: updates)
    }

    private mutating func gossipKind() throws(WireError) -> GossipMessage.Kind {
        let code = try byte()
        let sequence = try fixed(UInt32.self)
        let target = try fixed(UInt16.self)
        guard let type = GossipType(rawValue: code) else { throw .unknownType(code) }
        guard type == .pingRequest || target == 0 else { throw .invalid("target") }
        switch type {
        case .ping: return .ping(sequence: sequence)
        case .pingRequest: return .pingRequest(sequence: sequence, target: NodeNumber(target))
        case .ack: return .ack(sequence: sequence)
        case .nack: return .nack(sequence: sequence)
        case .gossip:
            guard sequence == 0 else { throw .invalid("sequence") }
            return .gossip
        }
    }
}
