/// Which partition a message is about, under which topology and ballot.
public struct PartitionHeader: Hashable, Sendable {
    public var partition: PartitionID
    /// The configuration that the sender goes by: the epoch that last changed this partition in its topology.
    public var epoch: Epoch
    /// The leader's (or candidate's) ballot: its own in its requests, and repeated in the answers to them.
    public var ballot: Ballot

    @inlinable
    public init(partition: PartitionID, epoch: Epoch, ballot: Ballot) {
        self.partition = partition
        self.epoch = epoch
        self.ballot = ballot
    }
}

/// Names one request among those of the node that sent it, over all its restarts.
public struct RequestID: Hashable, Sendable {
    public var raw: UInt64

    @inlinable
    public init(_ raw: UInt64) { self.raw = raw }

    /// Nobody outside the cluster chooses these: spreading them takes no keyed hash, and every request looks several up.
    @inlinable
    public func _rawHashValue(seed: Int) -> Int { spread(raw, seed) }
}

public struct KeyVersion: Hashable, Sendable {
    public var key: Key
    public var version: Version
    /// Of what is held under the version; nil where it is not known.
    public var checksum: UInt32?

    @inlinable
    public init(key: Key, version: Version, checksum: UInt32? = nil) {
        self.key = key
        self.version = version
        self.checksum = checksum
    }
}

public struct Leadership: Hashable, Sendable {
    public var partition: PartitionID
    public var ballot: Ballot

    @inlinable
    public init(partition: PartitionID, ballot: Ballot) {
        self.partition = partition
        self.ballot = ballot
    }
}

/// What nodes say to each other. Every one may be lost; all but `forward`, `forwarded` and `relay` may also arrive twice or late.
public enum PeerMessage: Hashable, Sendable {
    // To lead.
    /// Would the receiver promise? Asked first, so that a node which merely missed its leader disturbs nobody (Raft's PreVote).
    case canvass(PartitionHeader)
    /// `header` is that of the question; `promised` is the highest ballot known here, which names the leader if not granted.
    case canvassed(PartitionHeader, granted: Bool, promised: Ballot)
    case prepare(PartitionHeader)
    /// The promise is durable, and so is everything the root covers. Roots are comparable at one purge floor only.
    /// `contents` is that of the root, and nil in version 3 of the peer protocol.
    case promise(PartitionHeader, root: Digest, contents: UInt64?, floor: Version)
    /// A request under a ballot below the one promised, which `header.ballot` names.
    case reject(PartitionHeader)

    // To write, and to mend a replica that missed a write.
    case accept(PartitionHeader, key: Key, record: Record)
    /// The replica durably holds this version of the key or a later one. `sequence` is that of the accepted record's
    /// version; `version.ballot` differs from the header's when an old record was re-sent.
    case accepted(PartitionHeader, version: Version)

    // To read at the leader.
    case confirm(PartitionHeader, round: UInt64)
    case confirmed(PartitionHeader, round: UInt64)

    // To learn the latest record of a key under a ballot.
    case read(PartitionHeader, id: UInt64, key: Key)
    case readResult(PartitionHeader, id: UInt64, key: Key, record: Record?)

    // To compare hash trees.
    /// The receiver raises its purge floor to the leader's first.
    case leaves(PartitionHeader, floor: Version)
    /// `contents` are those of the leaves, and empty in version 3 of the peer protocol.
    case leavesResult(PartitionHeader, floor: Version, leaves: [Digest], contents: [UInt64])
    case entries(PartitionHeader, leaf: UInt16)
    case entriesResult(PartitionHeader, leaf: UInt16, entries: [KeyVersion])

    // To let go of what nobody needs.
    /// Every replica held everything up to `floor`: tombstones up to there may be forgotten.
    case purge(PartitionHeader, floor: Version)
    /// The sender is no replica of the partition since this configuration, and still holds its copy. (The ballot means nothing.)
    case relinquish(PartitionHeader)
    /// From the leader, settled under that configuration or a later one: the receiver's copy is not needed any more.
    case relinquished(PartitionHeader)

    // Who leads.
    /// The sender leads these partitions: a summary for the replicas of them, now and then.
    case leading(epoch: Epoch, [Leadership])
    /// The leader has come to rest and asks the receiver to prepare.
    case transfer(PartitionHeader)

    // On a client's behalf.
    /// Execute a command as leader. Delivered at most once.
    case forward(RequestID, epoch: Epoch, timeout: Span, key: Key, partition: PartitionID, command: Command)
    case forwarded(RequestID, ForwardResult)
    /// Have the leader execute a command, which the sender cannot reach. Delivered at most once, and passed on at most
    /// once. Answered by `forwarded`. Since version 4 of the peer protocol.
    case relay(RequestID, epoch: Epoch, timeout: Span, key: Key, partition: PartitionID, command: Command)
    /// Read the receiver's own copy, chosen or not.
    case peek(RequestID, epoch: Epoch, partition: PartitionID, key: Key)
    /// The receiver's durable copy; `.zero` and nil where it holds nothing.
    case peeked(RequestID, record: Record?)

    // Membership.
    /// The sender's topology is newer than that of the request it answers.
    case outdated(epoch: Epoch)
    /// The sender holds this much.
    case heartbeat(PartitionUsage)
    /// This much of one of the sender's stores is on its disk: the number of a batch, which only grows. Since version 4 of the
    /// peer protocol.
    case progress(shard: UInt16, batch: UInt64)
    /// (Indirect: it is the largest and the rarest, and every message would be as large.)
    indirect case cluster(ClusterMessage)
}

public enum ForwardResult: Hashable, Sendable {
    case outcome(Outcome)
    /// Nothing was done; the node to ask instead, if known.
    case notLeader(hint: NodeNumber?)
}
