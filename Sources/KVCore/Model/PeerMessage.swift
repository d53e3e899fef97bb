/// Which partition a message is about, under which topology and ballot.
package struct PartitionHeader: Hashable, Sendable {
    package var partition: PartitionID
    /// The configuration that the sender goes by: the epoch that last changed this partition in its topology.
    package var epoch: Epoch
    /// The leader's (or candidate's) ballot: its own in its requests, and repeated in the answers to them.
    package var ballot: Ballot

    @inlinable
    package init(partition: PartitionID, epoch: Epoch, ballot: Ballot) {
        self.partition = partition
        self.epoch = epoch
        self.ballot = ballot
    }
}

/// Names one request among those of the node that sent it, over all its restarts.
package struct RequestID: Hashable, Sendable {
    package var raw: UInt64

    @inlinable
    package init(_ raw: UInt64) { self.raw = raw }

    /// Nobody outside the cluster chooses these: spreading them takes no keyed hash, and every request looks several
    /// up.
    @inlinable
    package func _rawHashValue(seed: Int) -> Int { spread(raw, seed) }
}

package struct KeyVersion: Hashable, Sendable {
    package var key: Key
    package var version: Version
    /// Of what is held under the version; nil where it is not known.
    package var checksum: UInt32?

    @inlinable
    package init(key: Key, version: Version, checksum: UInt32? = nil) {
        self.key = key
        self.version = version
        self.checksum = checksum
    }
}

package struct Leadership: Hashable, Sendable {
    package var partition: PartitionID
    package var ballot: Ballot

    @inlinable
    package init(partition: PartitionID, ballot: Ballot) {
        self.partition = partition
        self.ballot = ballot
    }
}

/// What nodes say to each other. Its shape says where it goes: see the cases.
///
/// Every message may be lost; all but requests and replies may also arrive twice or late.
package enum PeerMessage: Hashable, Sendable {
    /// Between the replicas of one partition: to the shard that has it.
    case replica(PartitionHeader, ReplicaMessage)
    /// For a client of the sender: to the shard that has the key's partition.
    case request(RequestHeader, RequestMessage)
    /// What came of such a request: to the shard that asked.
    case reply(RequestID, ReplyMessage)
    /// About many partitions: to every shard.
    case shards(ShardsMessage)
    /// About the node as a whole: to whoever keeps that.
    case node(NodeMessage)
}

/// Which request of which node a message is about, and where its key is.
package struct RequestHeader: Hashable, Sendable {
    package var id: RequestID
    /// The configuration that the sender goes by: the epoch that last changed this partition in its topology.
    package var epoch: Epoch
    package var partition: PartitionID
    package var key: Key

    @inlinable
    package init(_ id: RequestID, epoch: Epoch, partition: PartitionID, key: Key) {
        self.id = id
        self.epoch = epoch
        self.partition = partition
        self.key = key
    }
}

/// What replicas of one partition say to each other, under the header's configuration and ballot.
package enum ReplicaMessage: Hashable, Sendable {
    // To lead.
    /// Would the receiver promise? Asked first, so that a node which merely missed its leader disturbs nobody (Raft's
    /// PreVote).
    case preVote
    /// `header` is that of the question; `promised` is the highest ballot known here, which names the leader if not
    /// granted.
    case preVoteResult(granted: Bool, promised: Ballot)
    case prepare
    /// The promise is durable, and so is everything the root covers. Roots are comparable at one purge floor only.
    /// `contents` is that of the root, and nil in version 3 of the peer protocol.
    case promise(root: Digest, contents: UInt64?, floor: Version)
    /// A request under a ballot below the one promised, which `header.ballot` names.
    case reject
    /// The leader has come to rest and asks the receiver to prepare.
    case transfer

    // To write, and to repair a replica that missed a write.
    case accept(key: Key, record: Record)
    /// The replica durably holds this version of the key or a later one. `sequence` is that of the accepted record's
    /// version; `version.ballot` differs from the header's when an old record was re-sent.
    case accepted(version: Version)

    // To read at the leader.
    case confirm(round: UInt64)
    case confirmed(round: UInt64)

    // To learn the latest record of a key under a ballot.
    case read(id: UInt64, key: Key)
    case readResult(id: UInt64, key: Key, record: Record?)

    // To compare hash trees.
    /// The receiver raises its purge floor to the leader's first.
    case leaves(floor: Version)
    /// `contents` are those of the leaves, and empty in version 3 of the peer protocol.
    case leavesResult(floor: Version, leaves: [Digest], contents: [UInt64])
    case entries(leaf: UInt16)
    case entriesResult(leaf: UInt16, entries: [KeyVersion])

    // To let go of what nobody needs.
    /// Every replica held everything up to `floor`: tombstones up to there may be forgotten.
    case purge(floor: Version)
    /// The sender is no replica of the partition since this configuration, and still holds its copy. (The ballot means
    /// nothing.)
    case dropReplica
    /// From the leader, settled under that configuration or a later one: the receiver's copy is not needed any more.
    case replicaDropped

    // To count with a copy that lost power and may lack what it has acknowledged. Since version 4 of the peer protocol;
    // a peer of the version before is not answered.
    /// In the place of an answer: the ballot is promised, and what is asked for is not told, as there may have been
    /// more.
    case abstain
    /// From the leader, which counts with what may be lacking: tell under this ballot what is there.
    case consult
    /// From the leader: the copy holds everything that it may have acknowledged.
    case complete
    case completed

    /// Whether only the configuration that it is sent under may answer it.
    package var isBoundToEpoch: Bool {
        switch self {
        case .preVote, .prepare, .transfer, .accept, .confirm, .read, .leaves, .entries, .purge, .consult, .complete:
            true
        case .preVoteResult, .promise, .reject, .accepted, .confirmed, .readResult, .leavesResult, .entriesResult,
            .dropReplica,
            .replicaDropped, .abstain, .completed:
            false
        }
    }
}

package enum RequestMessage: Hashable, Sendable {
    /// Execute a command as leader. Delivered at most once.
    case forward(timeout: Nanoseconds, command: Command)
    /// Have the leader execute a command, which the sender cannot reach. Delivered at most once, and passed on at most
    /// once. Answered by `forwarded`. Since version 4 of the peer protocol.
    case relay(timeout: Nanoseconds, command: Command)
    /// Read the receiver's own copy, chosen or not.
    case quorumRead
}

package enum ReplyMessage: Hashable, Sendable {
    case forwarded(ForwardResult)
    /// The receiver's durable copy; nil where it holds nothing.
    case quorumReadReply(Record?)
}

package enum ShardsMessage: Hashable, Sendable {
    /// The sender leads these partitions: a summary for the replicas of them, now and then.
    case leaderHeartbeat(epoch: Epoch, [Leadership])
    /// The sender's topology is newer than that of the request it answers.
    case outdated(epoch: Epoch)
}

package enum NodeMessage: Hashable, Sendable {
    /// The sender holds this much.
    case usageReport(PartitionUsage)
    /// This much of one of the sender's stores is on its disk: the number of a batch, which only grows. Since version 4
    /// of the peer protocol.
    case progress(shard: UInt16, batch: UInt64)
    /// What the clock of the sender's machine shows, in milliseconds since 1970. Since version 4 of the peer protocol.
    case clock(wall: UInt64)
    /// (Indirect: it is the largest and the rarest, and every message would be as large.)
    indirect case cluster(ClusterMessage)
}

package enum ForwardResult: Hashable, Sendable {
    case outcome(Outcome)
    /// Nothing was done; the node to ask instead, if known.
    case notLeader(hint: NodeNumber?)
}
