import KVCore

extension ByteWriter {
    /// - Parameter version: of the peer protocol that the receiver reads.
    mutating func message(_ message: PeerMessage, _ protocolVersion: UInt16) {
        switch message {
        case .canvass(let about):
            begin(.canvass, about)
        case .canvassed(let about, let granted, let promised):
            begin(.canvassed, about)
            byte(granted ? 1 : 0)
            fixed(promised.raw)
        case .prepare(let about):
            begin(.prepare, about)
        case .promise(let about, let root, let contents, let floor):
            begin(.promise, about)
            digest(root)
            version(floor)
            if protocolVersion >= Handshake.firstWithContents { fixed(contents ?? 0) }
        case .reject(let about):
            begin(.reject, about)
        case .accept(let about, let key, let value):
            begin(.accept, about)
            bytes(key.bytes)
            record(value)
        case .accepted(let about, let held):
            begin(.accepted, about)
            version(held)
        case .confirm(let about, let round):
            begin(.confirm, about)
            varint(round)
        case .confirmed(let about, let round):
            begin(.confirmed, about)
            varint(round)
        case .read(let about, let id, let key):
            begin(.read, about)
            varint(id)
            bytes(key.bytes)
        case .readResult(let about, let id, let key, let found):
            begin(.readResult, about)
            varint(id)
            bytes(key.bytes)
            optionalRecord(found)
        case .transfer(let about):
            begin(.transfer, about)
        case .purge(let about, let floor):
            begin(.purge, about)
            version(floor)
        case .relinquish(let about):
            begin(.relinquish, about)
        case .relinquished(let about):
            begin(.relinquished, about)
        case .leaves, .leavesResult, .entries, .entriesResult:
            comparison(message, protocolVersion)
        case .leading, .forward, .forwarded, .relay, .peek, .peeked, .outdated, .heartbeat, .progress, .cluster:
            other(message)
        }
    }

    @inline(__always)
    private mutating func begin(_ type: MessageType, _ about: PartitionHeader) {
        code(type)
        header(about)
    }

    /// Of hash trees.
    private mutating func comparison(_ message: PeerMessage, _ protocolVersion: UInt16) {
        let tellsContents = protocolVersion >= Handshake.firstWithContents
        switch message {
        case .leaves(let about, let floor):
            begin(.leaves, about)
            version(floor)
        case .leavesResult(let about, let floor, let leaves, let contents):
            begin(.leavesResult, about)
            version(floor)
            varint(count: leaves.count)
            for leaf in leaves { digest(leaf) }
            guard tellsContents else { return }
            varint(count: contents.count)
            for sum in contents { fixed(sum) }
        case .entries(let about, let leaf):
            begin(.entries, about)
            varint(UInt64(leaf))
        case .entriesResult(let about, let leaf, let entries):
            begin(.entriesResult, about)
            varint(UInt64(leaf))
            varint(count: entries.count)
            for entry in entries {
                bytes(entry.key.bytes)
                version(entry.version)
                if tellsContents { fixed(entry.checksum ?? 0) }
            }
        default:
            break
        }
    }

    /// What is not about one partition's ballot.
    private mutating func other(_ message: PeerMessage) {
        switch message {
        case .leading(let epoch, let leaderships):
            code(MessageType.leading)
            varint(epoch)
            varint(count: leaderships.count)
            for leadership in leaderships {
                partition(leadership.partition)
                fixed(leadership.ballot.raw)
            }
        case .forward(let id, let epoch, let timeout, let key, let place, let request),
            .relay(let id, let epoch, let timeout, let key, let place, let request):
            if case .relay = message { code(MessageType.relay) } else { code(MessageType.forward) }
            fixed(id.raw)
            varint(epoch)
            varint(timeout.nanoseconds)
            bytes(key.bytes)
            partition(place)
            command(request)
        case .forwarded(let id, let result):
            code(MessageType.forwarded)
            fixed(id.raw)
            forwardResult(result)
        case .peek(let id, let epoch, let place, let key):
            code(MessageType.peek)
            fixed(id.raw)
            varint(epoch)
            partition(place)
            bytes(key.bytes)
        case .peeked(let id, let found):
            code(MessageType.peeked)
            fixed(id.raw)
            optionalRecord(found)
        case .outdated(let epoch):
            code(MessageType.outdated)
            varint(epoch)
        case .heartbeat(let usage):
            code(MessageType.heartbeat)
            varint(count: usage.keys)
            varint(count: usage.tombstones)
            varint(count: usage.bytes)
        case .progress(let shard, let batch):
            code(MessageType.progress)
            varint(UInt64(shard))
            varint(batch)
        case .cluster(let message):
            code(MessageType.cluster)
            cluster(message)
        default:
            break
        }
    }
}

extension ByteReader {
    /// - Parameter version: of the peer protocol that the sender goes by.
    mutating func message(_ protocolVersion: UInt16) throws(WireError) -> PeerMessage {
        let first = try byte()
        guard let type = MessageType(rawValue: first) else { throw .unknownType(first) }
        switch type {
        case .canvass: return .canvass(try header())
        case .canvassed: return .canvassed(try header(), granted: try boolean("grant"), promised: try ballot())
        case .prepare: return .prepare(try header())
        case .promise: return try promise(protocolVersion)
        case .reject: return .reject(try header())
        case .accept: return .accept(try header(), key: try key(), record: try record())
        case .accepted: return .accepted(try header(), version: try version())
        case .confirm: return .confirm(try header(), round: try varint())
        case .confirmed: return .confirmed(try header(), round: try varint())
        case .read: return .read(try header(), id: try varint(), key: try key())
        case .readResult:
            return .readResult(try header(), id: try varint(), key: try key(), record: try optionalRecord())
        case .leaves: return .leaves(try header(), floor: try version())
        case .leavesResult: return try leavesResult(protocolVersion)
        case .entries: return .entries(try header(), leaf: try leaf())
        case .entriesResult:
            return .entriesResult(try header(), leaf: try leaf(), entries: try entries(protocolVersion))
        case .leading: return .leading(epoch: try varint(), try leaderships())
        case .transfer: return .transfer(try header())
        case .forward:
            return .forward(
                try requestID(), epoch: try varint(), timeout: Span(nanoseconds: try varint()), key: try key(),
                partition: try partition(), command: try command())
        case .relay:
            return .relay(
                try requestID(), epoch: try varint(), timeout: Span(nanoseconds: try varint()), key: try key(),
                partition: try partition(), command: try command())
        case .forwarded: return .forwarded(try requestID(), try forwardResult())
        case .peek:
            return .peek(try requestID(), epoch: try varint(), partition: try partition(), key: try key())
        case .peeked: return .peeked(try requestID(), record: try optionalRecord())
        case .outdated: return .outdated(epoch: try varint())
        case .heartbeat: return .heartbeat(try usage())
        case .progress: return .progress(shard: try varint(in: 0...UInt16.max, "shard"), batch: try varint())
        case .purge: return .purge(try header(), floor: try version())
        case .relinquish: return .relinquish(try header())
        case .relinquished: return .relinquished(try header())
        case .cluster: return .cluster(try clusterMessage())
        }
    }

    mutating func requestID() throws(WireError) -> RequestID { RequestID(try fixed(UInt64.self)) }

    private mutating func leaf() throws(WireError) -> UInt16 {
        try varint(in: 0...UInt16(HashTree.leafCount - 1), "leaf")
    }

    private mutating func promise(_ protocolVersion: UInt16) throws(WireError) -> PeerMessage {
        let (about, root, floor) = (try header(), try digest(), try version())
        let contents = protocolVersion >= Handshake.firstWithContents ? try fixed(UInt64.self) : nil
        return .promise(about, root: root, contents: contents, floor: floor)
    }

    private mutating func leavesResult(_ protocolVersion: UInt16) throws(WireError) -> PeerMessage {
        let (about, floor, leaves) = (try header(), try version(), try leaves())
        var contents: [UInt64] = []
        if protocolVersion >= Handshake.firstWithContents {
            let count = try count(of: "list of leaves' contents", size: 8, limit: HashTree.leafCount)
            contents.reserveCapacity(count)
            for _ in 0..<count { contents.append(try fixed(UInt64.self)) }
        }
        return .leavesResult(about, floor: floor, leaves: leaves, contents: contents)
    }

    private mutating func leaves() throws(WireError) -> [Digest] {
        let count = try count(of: "list of leaves", size: 16, limit: HashTree.leafCount)
        var leaves: [Digest] = []
        leaves.reserveCapacity(count)
        for _ in 0..<count { leaves.append(try digest()) }
        return leaves
    }

    private mutating func entries(_ protocolVersion: UInt16) throws(WireError) -> [KeyVersion] {
        let count = try count(of: "list of entries", size: 10)
        var entries: [KeyVersion] = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let (key, version) = (try key(), try version())
            let checksum = protocolVersion >= Handshake.firstWithContents ? try fixed(UInt32.self) : nil
            entries.append(KeyVersion(key: key, version: version, checksum: checksum))
        }
        return entries
    }

    private mutating func leaderships() throws(WireError) -> [Leadership] {
        let count = try count(of: "list of leaderships", size: 9)
        var leaderships: [Leadership] = []
        leaderships.reserveCapacity(count)
        for _ in 0..<count { leaderships.append(Leadership(partition: try partition(), ballot: try ballot())) }
        return leaderships
    }

    private mutating func usage() throws(WireError) -> PartitionUsage {
        PartitionUsage(
            keys: try varint(in: 0...Int.max, "count of keys"),
            tombstones: try varint(in: 0...Int.max, "count of tombstones"),
            bytes: try varint(in: 0...Int.max, "count of bytes"))
    }
}
