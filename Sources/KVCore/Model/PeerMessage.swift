/// The partition, the configuration and the ballot that a message between replicas is about.
package struct PartitionHeader: Hashable, Sendable {
    package var partition: PartitionID
    /// The sender's configuration of the partition: the epoch that last changed it in the sender's topology.
    package var epoch: Epoch
    /// The ballot of the leader or candidate. Answers repeat the ballot of the request.
    package var ballot: Ballot

    @inlinable
    package init(partition: PartitionID, epoch: Epoch, ballot: Ballot) {
        self.partition = partition
        self.epoch = epoch
        self.ballot = ballot
    }
}

/// Names a request among all those that a node has sent, in this process and earlier ones.
package struct RequestID: Hashable, Sendable {
    package var raw: UInt64

    @inlinable
    package init(_ raw: UInt64) { self.raw = raw }

    /// A cheap hash is safe here, because nobody outside the cluster chooses these numbers.
    @inlinable
    package func _rawHashValue(seed: Int) -> Int { spread(raw, seed) }
}

/// A record of a replica as it is compared with another replica's: its key, version and checksum.
package struct KeyVersion: Hashable, Sendable {
    package var key: Key
    package var version: Version
    /// The checksum of the record's contents. Nil if the peer does not tell it.
    package var checksum: UInt32?

    @inlinable
    package init(key: Key, version: Version, checksum: UInt32? = nil) {
        self.key = key
        self.version = version
        self.checksum = checksum
    }
}

/// Says that the sender leads a partition under this ballot.
package struct Leadership: Hashable, Sendable {
    package var partition: PartitionID
    package var ballot: Ballot

    @inlinable
    package init(partition: PartitionID, ballot: Ballot) {
        self.partition = partition
        self.ballot = ballot
    }
}

/// A message from one node to another. The case says which part of the receiving node it goes to.
///
/// Every message may be lost. All but requests and replies may also arrive twice or late.
package enum PeerMessage: Hashable, Sendable {
    /// A message between the replicas of one partition. It goes to the shard that has the partition.
    case replica(PartitionHeader, ReplicaMessage)
    /// A request on behalf of a client of the sender. It goes to the shard that has the key's partition.
    case request(RequestHeader, RequestMessage)
    /// The reply to such a request. It goes to the shard that has sent the request.
    case reply(RequestID, ReplyMessage)
    /// A message about many partitions. It goes to every shard.
    case shards(ShardsMessage)
    /// A message about the node as a whole. It goes to the parts of the node that are outside the shards.
    case node(NodeMessage)

    /// True if it is about partitions or keys, so that whoever sends it cares whether the receiver is well.
    package var isAboutPartitions: Bool {
        switch self {
        case .replica, .request, .reply: true
        case .shards, .node: false
        }
    }
}

/// The id of a request, and the place of its key.
package struct RequestHeader: Hashable, Sendable {
    package var id: RequestID
    /// The sender's configuration of the partition: the epoch that last changed it in the sender's topology.
    package var epoch: Epoch
    package var partition: PartitionID
    /// The command's key. For a command about a partition, any key of it.
    package var key: Key

    @inlinable
    package init(_ id: RequestID, epoch: Epoch, partition: PartitionID, key: Key) {
        self.id = id
        self.epoch = epoch
        self.partition = partition
        self.key = key
    }
}

/// A message between replicas of one partition, under the header's configuration and ballot.
package enum ReplicaMessage: Hashable, Sendable {
    // MARK: Elections

    /// Asks whether the receiver would promise the ballot. It is sent before `prepare`, so that a node that has merely
    /// missed its leader disturbs nobody (Raft's PreVote).
    case preVote
    /// Answers `preVote`. `promised` is the highest ballot that the sender knows; if the vote is not granted, it names
    /// the leader.
    case preVoteResult(granted: Bool, promised: Ballot)
    /// Asks the receiver to promise the ballot.
    case prepare
    /// Asks the same at the wish of the leader under the ballot `released`, which has given up the lead to the sender:
    /// support for it is no obstacle. Version 4 of the peer protocol has added it.
    case prepareAfter(released: Ballot)
    /// Answers `prepare`. The promise is durable, and so is everything that the root covers. Roots are comparable only
    /// at equal purge floors. `contents` belongs to the root; it is nil from a peer of version 3 of the protocol.
    case promise(root: Digest, contents: UInt64?, floor: Version)
    /// Refuses a request because its ballot is below the promise. The header has the promised ballot.
    case reject
    /// Asks the receiver to prepare and become the leader. The sender leads and has nothing in flight.
    case transfer

    // MARK: Writes, and the repair of a replica that has missed some

    /// Asks the receiver to store a record.
    case accept(key: Key, record: Record)
    /// Answers `accept`: the replica durably holds this version of the key or a later one. `version.ballot` differs
    /// from the header's if a record of an earlier leader was sent again.
    case accepted(version: Version)

    // MARK: Reads at the leader

    /// Asks whether the receiver has promised no higher ballot.
    case confirm(round: UInt64)
    /// Answers `confirm`: the ballot still holds. `mark` says for how long support for the leader covers this
    /// partition; it is nil from a peer of version 3 of the protocol, and where a crash could undo the promise.
    case confirmed(round: UInt64, mark: PromiseMark? = nil)

    // MARK: Recovery of a key under a ballot

    /// Asks for the receiver's record of a key.
    case read(id: UInt64, key: Key)
    /// Answers `read`. `record` is nil if the replica has none.
    case readResult(id: UInt64, key: Key, record: Record?)

    // MARK: Comparison of hash trees

    /// Asks for the leaves of the receiver's tree. The receiver first raises its purge floor to `floor`, the leader's.
    case leaves(floor: Version)
    /// Answers `leaves`. `contents` has the same number of elements as `leaves`; from a peer of version 3 of the
    /// protocol it is empty.
    case leavesResult(floor: Version, leaves: [Digest], contents: [UInt64])
    /// Asks for the keys and versions of one leaf.
    case entries(leaf: UInt16)
    /// Answers `entries`.
    case entriesResult(leaf: UInt16, entries: [KeyVersion])

    // MARK: Removal of tombstones and of copies that are not needed

    /// Allows the receiver to remove tombstones up to `floor`: every replica held everything up to there.
    case purge(floor: Version)
    /// Asks whether the sender may delete its copy, because it is not a replica under this configuration any more. The
    /// ballot means nothing.
    case dropReplica
    /// Answers `dropReplica`: the receiver's copy is not needed any more. The sender leads, and is settled under that
    /// configuration or a later one.
    case replicaDropped

    // MARK: Copies that have lost power, and may lack records that they have acknowledged

    // Version 4 of the peer protocol has added these. A peer of version 3 gets no answer instead of `abstain`.

    /// Answers a request that asks what the copy holds: the ballot is promised, but the copy may lack records, so its
    /// contents are not told.
    case abstain
    /// Asks the copy to tell what it holds under this ballot. The leader takes into account that records may be
    /// missing.
    case consult
    /// Says that the copy holds every record again that it may have acknowledged.
    case complete
    /// Answers `complete`.
    case completed

    /// True for a request that only a replica of the same configuration may answer.
    package var isBoundToEpoch: Bool {
        switch self {
        case .preVote, .prepare, .prepareAfter, .transfer, .accept, .confirm, .read, .leaves, .entries, .purge,
            .consult, .complete:
            true
        case .preVoteResult, .promise, .reject, .accepted, .confirmed, .readResult, .leavesResult, .entriesResult,
            .dropReplica, .replicaDropped, .abstain, .completed:
            false
        }
    }
}

/// A request on behalf of another node's client.
package enum RequestMessage: Hashable, Sendable {
    /// Asks the receiver to execute a command as leader. Delivered at most once.
    case forward(timeout: Nanoseconds, command: Command)
    /// Asks the receiver to pass a command on to the leader, which the sender cannot reach. Delivered at most once, and
    /// passed on at most once. Answered by `forwarded`. Version 4 of the peer protocol has added it.
    case relay(timeout: Nanoseconds, command: Command)
    /// Asks for the receiver's own copy of a key, chosen or not.
    case quorumRead
}

/// The reply to a `RequestMessage`.
package enum ReplyMessage: Hashable, Sendable {
    /// Answers `forward` and `relay`.
    case forwarded(ForwardResult)
    /// Answers `quorumRead` with the sender's durable record. Nil if it holds none.
    case quorumReadReply(Record?)
}

/// What a shard of the sender's node leads: all of it, or what has changed since an earlier version of the list. An
/// update without a change is a heartbeat.
package struct LeadershipUpdate: Hashable, Sendable {
    /// Limits the number of lists that one node can make another one keep.
    package static let maximumShards = 1024

    package var shard: UInt16
    /// The version of the list that the changes are made to; 0 if the update names all partitions that are led.
    package var base: UInt64
    /// The version that they make of it: in one process each change has the next, and another process begins above.
    package var version: UInt64
    /// Partitions whose lead has begun, or goes on under another ballot.
    package var begun: [Leadership]
    /// Partitions whose lead has ended.
    package var ended: [PartitionID]
    /// The sender wants a heartbeat in every turn (`HeartbeatPace`).
    package var isAttending: Bool
    /// Lists of other shards of the same node, which have not changed: the first shard speaks for them. At most
    /// `maximumShards`.
    package var others: [Unchanged]

    /// The version of the list of a shard that runs.
    package struct Unchanged: Hashable, Sendable {
        package var shard: UInt16
        package var version: UInt64

        package init(shard: UInt16, version: UInt64) {
            self.shard = shard
            self.version = version
        }
    }

    package var isWhole: Bool { base == 0 }

    package init(
        shard: UInt16, base: UInt64, version: UInt64, begun: [Leadership] = [], ended: [PartitionID] = [],
        isAttending: Bool = false, others: [Unchanged] = []
    ) {
        self.shard = shard
        self.base = base
        self.version = version
        self.begun = begun
        self.ended = ended
        self.isAttending = isAttending
        self.others = others
    }
}

/// A message about many partitions.
package enum ShardsMessage: Hashable, Sendable {
    /// Tells the replicas of these partitions that the sender leads them: at once when it begins to, and periodically
    /// to peers of version 3 of the peer protocol. If it names none, it says that the sender runs.
    case leaderHeartbeat(epoch: Epoch, [Leadership])
    /// Tells a member what a shard of the sender's node leads. Version 4 of the peer protocol has added it.
    case leaderships(epoch: Epoch, LeadershipUpdate)
    /// Asks for all that a shard of the receiver's node leads, because an update is missing. Version 4 of the peer
    /// protocol has added it.
    case leadershipsWanted(shard: UInt16)
    /// Asks for support (Leases.swift). Version 4 of the peer protocol has added it.
    case supportWanted(SupportQuestion)
    /// Answers `supportWanted`. Version 4 of the peer protocol has added it.
    case support(SupportAnswer)
    /// Says that the sender's topology is newer than the one that a request of the receiver came under.
    case outdated(epoch: Epoch)
}

/// A message about the node as a whole.
package enum NodeMessage: Hashable, Sendable {
    /// How much data the sender holds.
    case usageReport(PartitionUsage)
    /// How much of one of the sender's stores is on its disk: the number of a batch, which only grows. Version 4 of the
    /// peer protocol has added it.
    case progress(shard: UInt16, batch: UInt64)
    /// The time of the sender's machine, in milliseconds since 1970. Version 4 of the peer protocol has added it.
    case clock(wall: UInt64)
    /// The sender waits for this node and does not hear it: others are to attend to it, too (`HeartbeatPace`). Version
    /// 4 of the peer protocol has added it.
    case doubt(NodeNumber)
    /// A message about membership. It is indirect because it is the largest and the rarest message, and would make
    /// every other one as large.
    indirect case cluster(ClusterMessage)
}

/// How a forwarded request ended.
package enum ForwardResult: Hashable, Sendable {
    case outcome(Outcome)
    /// The receiver does not lead the partition, and nothing was done. `hint` is the leader, if the receiver knows it.
    case notLeader(hint: NodeNumber?)
}
