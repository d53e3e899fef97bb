import KVCore

/// A leaf of a hash tree.
private struct SentLeaf: Equatable {
    var digest = Digest()
    var contents: UInt64 = 0
}

extension ByteWriter {
    /// - Parameter protocolVersion: the version of the peer protocol that the receiver speaks.
    mutating func message(_ message: PeerMessage, _ protocolVersion: UInt16) {
        switch message {
        case .replica(let about, let message):
            code(message.type)
            header(about)
            body(message, protocolVersion)
        case .request(let about, let message): request(about, message)
        case .reply(let id, let message): reply(id, message)
        case .shards(let message): shards(message)
        case .node(let message): node(message, protocolVersion)
        }
    }

    private mutating func body(_ message: ReplicaMessage, _ protocolVersion: UInt16) {
        switch message {
        case .preVote, .prepare, .reject, .transfer, .dropReplica, .replicaDropped, .abstain, .consult, .complete,
            .completed:
            break
        case .preVoteResult(let granted, let promised):
            byte(granted ? 1 : 0)
            fixed(promised.raw)
        case .promise(let root, let contents, let floor):
            digest(root)
            version(floor)
            if protocolVersion >= Handshake.firstWithContents { fixed(contents ?? 0) }
        case .accept(let key, let value):
            bytes(key.bytes)
            record(value)
        case .accepted(let held): version(held)
        case .prepareAfter(let released): fixed(released.raw)
        case .confirm(let round): varint(round)
        case .confirmed(let round, let mark):
            varint(round)
            if protocolVersion >= Handshake.firstWithLeases { optionalMark(mark) }
        case .read(let id, let key):
            varint(id)
            bytes(key.bytes)
        case .readResult(let id, let key, let found):
            varint(id)
            bytes(key.bytes)
            optionalRecord(found)
        case .leaves(let floor), .purge(let floor): version(floor)
        case .leavesResult(let floor, let leaves, let contents):
            version(floor)
            self.leaves(leaves, contents, protocolVersion)
        case .entries(let leaf): varint(UInt64(leaf))
        case .entriesResult(let leaf, let entries):
            varint(UInt64(leaf))
            self.entries(entries, protocolVersion)
        }
    }

    /// Leaves of a hash tree. Most are empty where a partition holds few keys, and are one bit each.
    private mutating func leaves(_ leaves: [Digest], _ contents: [UInt64], _ protocolVersion: UInt16) {
        varint(count: leaves.count)
        guard protocolVersion >= Handshake.firstWithContents else {
            for leaf in leaves { digest(leaf) }
            return
        }
        assert(leaves.count == contents.count, "each leaf has its contents")
        let all = zip(leaves, contents).map { SentLeaf(digest: $0, contents: $1) }
        for first in stride(from: 0, to: all.count, by: 8) {
            let eight = all[first..<min(first + 8, all.count)]
            byte(eight.reversed().reduce(0) { $0 << 1 | ($1 == SentLeaf() ? 0 : 1) })
        }
        for leaf in all where leaf != SentLeaf() {
            digest(leaf.digest)
            fixed(leaf.contents)
        }
    }

    private mutating func entries(_ entries: [KeyVersion], _ protocolVersion: UInt16) {
        varint(count: entries.count)
        for entry in entries {
            bytes(entry.key.bytes)
            version(entry.version)
            if protocolVersion >= Handshake.firstWithContents { fixed(entry.checksum ?? 0) }
        }
    }

    private mutating func request(_ about: RequestHeader, _ message: RequestMessage) {
        switch message {
        case .forward(let timeout, let command): request(.forward, about, timeout, command)
        case .relay(let timeout, let command): request(.relay, about, timeout, command)
        case .quorumRead:
            code(MessageType.quorumRead)
            fixed(about.id.raw)
            varint(about.epoch)
            partition(about.partition)
            bytes(about.key.bytes)
        }
    }

    private mutating func request(
        _ type: MessageType, _ about: RequestHeader, _ timeout: Nanoseconds, _ command: Command
    ) {
        code(type)
        fixed(about.id.raw)
        varint(about.epoch)
        varint(timeout.nanoseconds)
        bytes(about.key.bytes)
        partition(about.partition)
        self.command(command)
    }

    private mutating func reply(_ id: RequestID, _ message: ReplyMessage) {
        switch message {
        case .forwarded(let result):
            code(MessageType.forwarded)
            fixed(id.raw)
            forwardResult(result)
        case .quorumReadReply(let found):
            code(MessageType.quorumReadReply)
            fixed(id.raw)
            optionalRecord(found)
        }
    }

    private mutating func shards(_ message: ShardsMessage) {
        switch message {
        case .leaderHeartbeat(let epoch, let leaderships):
            code(MessageType.leaderHeartbeat)
            varint(epoch)
            self.leaderships(leaderships)
        case .leaderships(let epoch, let update):
            code(MessageType.leaderships)
            varint(epoch)
            varint(UInt64(update.shard))
            varint(update.base)
            varint(update.version)
            leaderships(update.begun)
            varint(count: update.ended.count)
            for ended in update.ended { partition(ended) }
            byte(update.isAttending ? 1 : 0)
            varint(count: update.others.count)
            for other in update.others {
                varint(UInt64(other.shard))
                varint(other.version)
            }
        case .leadershipsWanted(let shard):
            code(MessageType.leadershipsWanted)
            varint(UInt64(shard))
        case .supportWanted(let question):
            code(MessageType.supportWanted)
            self.question(question)
        case .support(let answer):
            code(MessageType.support)
            self.answer(answer)
        case .outdated(let epoch):
            code(MessageType.outdated)
            varint(epoch)
        }
    }

    private mutating func leaderships(_ leaderships: [Leadership]) {
        varint(count: leaderships.count)
        for leadership in leaderships {
            partition(leadership.partition)
            fixed(leadership.ballot.raw)
        }
    }

    private mutating func node(_ message: NodeMessage, _ protocolVersion: UInt16) {
        switch message {
        case .usageReport(let usage):
            code(MessageType.usageReport)
            varint(count: usage.keys)
            varint(count: usage.tombstones)
            varint(count: usage.bytes)
        case .progress(let shard, let batch):
            code(MessageType.progress)
            varint(UInt64(shard))
            varint(batch)
        case .clock(let wall):
            code(MessageType.clock)
            varint(wall)
        case .doubt(let node):
            code(MessageType.doubt)
            self.node(node)
        case .cluster(let message):
            code(MessageType.cluster)
            cluster(message, protocolVersion)
        }
    }
}

extension ReplicaMessage {
    fileprivate var type: MessageType {
        switch self {
        case .preVote: .preVote
        case .preVoteResult: .preVoteResult
        case .prepare: .prepare
        case .prepareAfter: .prepareAfter
        case .promise: .promise
        case .reject: .reject
        case .transfer: .transfer
        case .accept: .accept
        case .accepted: .accepted
        case .confirm: .confirm
        case .confirmed: .confirmed
        case .read: .read
        case .readResult: .readResult
        case .leaves: .leaves
        case .leavesResult: .leavesResult
        case .entries: .entries
        case .entriesResult: .entriesResult
        case .purge: .purge
        case .abstain: .abstain
        case .consult: .consult
        case .complete: .complete
        case .completed: .completed
        case .dropReplica: .dropReplica
        case .replicaDropped: .replicaDropped
        }
    }
}

extension ByteReader {
    /// - Parameter protocolVersion: the version of the peer protocol that the sender uses.
    mutating func message(_ protocolVersion: UInt16) throws(WireError) -> PeerMessage {
        let first = try byte()
        guard let type = MessageType(rawValue: first) else { throw .unknownType(first) }
        switch type {
        case .preVote: return .replica(try header(), .preVote)
        case .preVoteResult:
            return .replica(try header(), .preVoteResult(granted: try boolean("grant"), promised: try ballot()))
        case .prepare: return .replica(try header(), .prepare)
        case .prepareAfter: return .replica(try header(), .prepareAfter(released: try ballot()))
        case .promise: return .replica(try header(), try promise(protocolVersion))
        case .reject: return .replica(try header(), .reject)
        case .transfer: return .replica(try header(), .transfer)
        case .accept: return .replica(try header(), .accept(key: try key(), record: try record()))
        case .accepted: return .replica(try header(), .accepted(version: try version()))
        case .confirm: return .replica(try header(), .confirm(round: try varint()))
        case .confirmed: return .replica(try header(), try confirmed(protocolVersion))
        case .read: return .replica(try header(), .read(id: try varint(), key: try key()))
        case .readResult:
            return .replica(try header(), .readResult(id: try varint(), key: try key(), record: try optionalRecord()))
        case .leaves: return .replica(try header(), .leaves(floor: try version()))
        case .leavesResult: return .replica(try header(), try leavesResult(protocolVersion))
        case .entries: return .replica(try header(), .entries(leaf: try leaf()))
        case .entriesResult:
            return .replica(try header(), .entriesResult(leaf: try leaf(), entries: try entries(protocolVersion)))
        case .purge: return .replica(try header(), .purge(floor: try version()))
        case .abstain: return .replica(try header(), .abstain)
        case .consult: return .replica(try header(), .consult)
        case .complete: return .replica(try header(), .complete)
        case .completed: return .replica(try header(), .completed)
        case .dropReplica: return .replica(try header(), .dropReplica)
        case .replicaDropped: return .replica(try header(), .replicaDropped)
        case .forward: return try request { .forward(timeout: $0, command: $1) }
        case .relay: return try request { .relay(timeout: $0, command: $1) }
        case .quorumRead:
            let (id, epoch, partition) = (try requestID(), try varint(), try partition())
            return .request(RequestHeader(id, epoch: epoch, partition: partition, key: try key()), .quorumRead)
        case .forwarded: return .reply(try requestID(), .forwarded(try forwardResult()))
        case .quorumReadReply: return .reply(try requestID(), .quorumReadReply(try optionalRecord()))
        case .leaderHeartbeat: return .shards(.leaderHeartbeat(epoch: try varint(), try leaderships()))
        case .leaderships: return .shards(.leaderships(epoch: try varint(), try leadershipUpdate()))
        case .leadershipsWanted: return .shards(.leadershipsWanted(shard: try shard()))
        case .supportWanted: return .shards(.supportWanted(try supportQuestion()))
        case .support: return .shards(.support(try supportAnswer()))
        case .outdated: return .shards(.outdated(epoch: try varint()))
        case .usageReport: return .node(.usageReport(try usage()))
        case .progress:
            return .node(.progress(shard: try varint(in: 0...UInt16.max, "shard"), batch: try varint()))
        case .clock: return .node(.clock(wall: try varint()))
        case .doubt: return .node(.doubt(try node()))
        case .cluster: return .node(.cluster(try clusterMessage()))
        }
    }

    private mutating func request(_ make: (Nanoseconds, Command) -> RequestMessage) throws(WireError) -> PeerMessage {
        let (id, epoch, timeout) = (try requestID(), try varint(), Nanoseconds(nanoseconds: try varint()))
        let (key, partition) = (try key(), try partition())
        return .request(
            RequestHeader(id, epoch: epoch, partition: partition, key: key), make(timeout, try command()))
    }

    mutating func requestID() throws(WireError) -> RequestID { RequestID(try fixed(UInt64.self)) }

    private mutating func leaf() throws(WireError) -> UInt16 {
        try varint(in: 0...UInt16(HashTree.leafCount - 1), "leaf")
    }

    private mutating func promise(_ protocolVersion: UInt16) throws(WireError) -> ReplicaMessage {
        let (root, floor) = (try digest(), try version())
        let contents = protocolVersion >= Handshake.firstWithContents ? try fixed(UInt64.self) : nil
        return .promise(root: root, contents: contents, floor: floor)
    }

    private mutating func leavesResult(_ protocolVersion: UInt16) throws(WireError) -> ReplicaMessage {
        let floor = try version()
        guard protocolVersion >= Handshake.firstWithContents else {
            return .leavesResult(floor: floor, leaves: try leaves(), contents: [])
        }
        let count: Int = try varint(in: 0...HashTree.leafCount, "list of leaves")
        var bits: [UInt8] = []
        for _ in 0..<(count + 7) / 8 { bits.append(try byte()) }
        // Bits that stand for no leaf are zero.
        if count % 8 > 0, let last = bits.last, last >> UInt8(count % 8) != 0 { throw .invalid("list of leaves") }
        var leaves = Array(repeating: SentLeaf(), count: count)
        for index in 0..<count where bits[index / 8] >> UInt8(index % 8) & 1 == 1 {
            leaves[index] = SentLeaf(digest: try digest(), contents: try fixed(UInt64.self))
            guard leaves[index] != SentLeaf() else { throw .invalid("list of leaves") }
        }
        return .leavesResult(floor: floor, leaves: leaves.map(\.digest), contents: leaves.map(\.contents))
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

    private mutating func leadershipUpdate() throws(WireError) -> LeadershipUpdate {
        let (shard, base, version, begun) = (try shard(), try varint(), try varint(), try leaderships())
        let count = try count(of: "list of ended leaderships", size: 1)
        var ended: [PartitionID] = []
        ended.reserveCapacity(count)
        for _ in 0..<count { ended.append(try partition()) }
        let isAttending = try boolean("wish for heartbeats")
        return LeadershipUpdate(
            shard: shard, base: base, version: version, begun: begun, ended: ended, isAttending: isAttending,
            others: try unchanged())
    }

    private mutating func unchanged() throws(WireError) -> [LeadershipUpdate.Unchanged] {
        let count = try count(of: "list of shards", size: 2)
        guard count <= LeadershipUpdate.maximumShards else { throw .invalid("list of shards") }
        var lists: [LeadershipUpdate.Unchanged] = []
        lists.reserveCapacity(count)
        for _ in 0..<count { lists.append(LeadershipUpdate.Unchanged(shard: try shard(), version: try varint())) }
        return lists
    }

    private mutating func shard() throws(WireError) -> UInt16 {
        try varint(in: 0...UInt16(LeadershipUpdate.maximumShards - 1), "shard")
    }

    private mutating func usage() throws(WireError) -> PartitionUsage {
        PartitionUsage(
            keys: try varint(in: 0...Int.max, "count of keys"),
            tombstones: try varint(in: 0...Int.max, "count of tombstones"),
            bytes: try varint(in: 0...Int.max, "count of bytes"))
    }
}
