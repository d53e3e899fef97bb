/// The time limits and size limits of a shard.
package struct ShardOptions: Sendable {
    // MARK: Elections and leaders

    /// How often the shell calls `timer`.
    package var timer = Nanoseconds.milliseconds(10)
    /// A request to a peer that has not been answered is sent again after this.
    package var retry = Nanoseconds.milliseconds(200)
    /// A leader waits this long for the smallest majority to confirm it. Then it also asks the other replicas.
    package var hedge = Nanoseconds.milliseconds(20)
    /// A replica that was late with a confirmation is not counted on for confirmations for this long.
    package var hedgeTime = Nanoseconds.milliseconds(1000)
    /// A candidate repeats its pre-vote after this, if no majority has said that it sees no leader.
    package var preVoteRetry = Nanoseconds.milliseconds(50)
    /// How often a node tells all others that it runs, and that it still leads what it has said that it leads.
    package var leaderHeartbeat = Nanoseconds.milliseconds(300)
    /// A leader that has not been heard of for this long counts as gone, whatever the failure detector says.
    package var leaderTimeout = Nanoseconds.milliseconds(1500)
    /// A leader that has not been in touch with a majority for this long gives up the lead (etcd's CheckQuorum).
    package var lonely = Nanoseconds.milliseconds(500)
    /// How long a candidate waits for a majority of promises.
    package var candidacy = Nanoseconds.milliseconds(1000)
    /// How long a candidate waits that re-proposes the changes in flight of its last leadership. It waits longer than
    /// others, because giving up makes the outcome of these changes unknown.
    package var reproposingCandidacy = Nanoseconds.milliseconds(5000)
    /// The longest time before a candidate that has failed tries again. The time is random, so that two candidates do
    /// not disturb each other for ever (Raft does the same).
    package var backoff = Nanoseconds.milliseconds(300)
    /// A replica that could be elected waits this long for each replica in touch that is preferred to it.
    package var stagger = Nanoseconds.milliseconds(500)
    /// For this long after the start, peers that have not been heard of yet are given their turn to lead.
    package var startGrace = Nanoseconds.milliseconds(1000)
    /// The disk has stalled if an append is not durable after this; the node then gives up what it leads. It is far
    /// above what a busy disk takes, and below `leaderTimeout`.
    package var stall = Nanoseconds.milliseconds(1000)
    /// How long after a stall a node leaves the lead to others that can lead. Each stall within `steadiness` of the
    /// last one doubles the time, up to `maximumRest`.
    package var rest = Nanoseconds.milliseconds(2000)
    /// The longest rest after a stall.
    package var maximumRest = Nanoseconds.milliseconds(240_000)
    /// A stall that begins this long after the last one, or later, makes the node rest no longer than `rest`.
    package var steadiness = Nanoseconds.milliseconds(600_000)
    /// A peer that has declined a leadership is not offered one for this long.
    package var declined = Nanoseconds.milliseconds(5000)
    /// A peer that is back in touch gets its leaderships back after this.
    package var handbackDelay = Nanoseconds.milliseconds(1000)
    /// A leadership transfer that has not ended after this is given up, and tried again after `handbackDelay`.
    package var transferTimeout = Nanoseconds.milliseconds(1000)

    // MARK: Leases

    /// For how long a node supports another one that has asked for it, by its own clock. It must not become shorter: a
    /// process that starts reckons that the one before may have given as much.
    package var lease = Nanoseconds.milliseconds(400)
    /// How much of it the node that is supported counts, by its own clock: clocks may run a tenth apart.
    package var leaseCounted: Nanoseconds { Nanoseconds(nanoseconds: lease.nanoseconds - lease.nanoseconds / 10) }
    /// How often support is asked for.
    package var leaseRenewal: Nanoseconds { Nanoseconds(nanoseconds: lease.nanoseconds / 4) }
    /// How long after a read of a leader support is still asked for.
    package var leaseUse = Nanoseconds.milliseconds(2000)

    // MARK: Requests and upkeep

    /// A read that its leader has not answered after this is also tried at all replicas (a quorum read).
    package var leaderlessAfter = Nanoseconds.milliseconds(50)
    /// A read that a leader has not answered after this is sent again. Reads change nothing, so repeating one is safe.
    package var readRetry = Nanoseconds.milliseconds(1000)
    /// A replica that is level is compared with its leader again after this.
    package var recompare = Nanoseconds.milliseconds(600_000)
    /// How often a leader looks for tombstones to remove, and for how long its replicas must have been level before.
    package var purge = Nanoseconds.milliseconds(10_000)
    /// How often a node asks whether it may delete its copies of partitions that it does not belong to any more.
    package var dropReplica = Nanoseconds.milliseconds(500)
    /// How long a leader keeps a chosen write for slow replicas. Then they count as having missed it.
    package var stragglers = Nanoseconds.milliseconds(1000)

    // MARK: Limits

    /// Leaderships that are being transferred at a time, over all partitions.
    package var maximumTransfers = 64
    /// Hash trees that are being compared with one peer at a time, over all partitions.
    package var maximumComparisons = 32
    /// Keys that a leader remembers for a replica that has missed them, per partition. If there are more, hash trees
    /// find them.
    package var maximumMissed = 1024
    /// Repaired records on their way to a lagging peer, per partition.
    package var repairWindow = 64
    /// Bytes of repaired records on their way to a lagging peer, over all partitions.
    package var repairBytes = 8 << 20
    /// Keys that are being recovered at a time while a partition settles.
    package var settleWindow = 64
    /// Bytes of proposed records that some replica may still need, over all partitions. At this limit, writes are
    /// refused and settling pauses. At half of it, leaders stop waiting for slow replicas.
    package var maximumProposedBytes = 256 << 20
    /// Bytes of changes that were sent to one peer and that it has not answered, over all partitions. Further changes
    /// wait. One change may be larger than the limit.
    package var peerWindow = 8 << 20
    /// Bytes per second of the slowest link that is reckoned with: messages that it may still be carrying are not sent
    /// again.
    package var slowestLink = 4 << 20
    /// Bytes per second that a shard sends to joining nodes of partitions that move; 0 is no limit.
    package var moveRate = 0
    /// Messages that are kept because they belong to a configuration that this node does not know yet.
    package var maximumEarly = 4096
    /// How many records one timer may look at to prepare splits. At most 2 ms.
    package var splitSlice = 2048
    /// The most splits that are prepared before any of them is made.
    package var maximumPreparedSplits = 64
    /// Bytes of these messages.
    package var maximumEarlyBytes = 32 << 20
    /// Copies that a node asks to delete at a time.
    package var maximumDropped = 64
    /// Expired records that are replaced by tombstones between two timers, over all partitions: by the sweep, and by
    /// listings that come upon them.
    package var expirySlice = 512
    /// Expired records that one turn of the sweep replaces by tombstones, per partition.
    package var maximumExpired = 256
    /// Answers to other nodes that wait until the records they rest on are durable. Further answers are dropped, and
    /// the other nodes ask again.
    package var maximumDeferred = 100_000
    /// Bytes of these answers, not counting one of them. It matters where a disk hangs and other nodes go on asking for
    /// leaves and values.
    package var maximumDeferredBytes = 16 << 20
    /// Damaged records that are being fetched from other replicas at a time.
    package var maximumRepairs = 16
    /// How long a damaged record waits for other replicas' answers.
    package var repairTimeout = Nanoseconds.milliseconds(1000)
    /// Keys that listings look at between two timers, over all partitions, so that other requests are served in
    /// between.
    package var listingSlice = 16_384
    /// Keys of a partition that its leader keeps in order while a listing goes through the partition.
    package var listingWindow = 16_384
    /// Bytes of these keys. At least one key is kept.
    package var listingWindowBytes = 4 << 20
    /// Partitions whose leaders keep such keys.
    package var listedPartitions = 8
    /// How long a leader keeps such keys after a listing has last used them.
    package var listingIdle = Nanoseconds.milliseconds(10_000)
    /// Requests of clients that a shard has not answered. Further requests are refused.
    package var maximumRequests = 100_000

    /// The rules that a test has switched off.
    package var broken: BrokenRules = []

    package init() {}
}

/// The rules of the protocol that a shard does not keep. Tests switch rules off to show what each is for; otherwise the
/// set is empty. Each element's comment states the rule.
///
/// One set of bits rather than a flag for each rule: the shipping program asks it only where a rule is about to decide
/// something, and then reads one word.
package struct BrokenRules: OptionSet, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// A read at the leader waits until a majority has confirmed the ballot after the read arrived.
    package static let confirmReads = Self(rawValue: 1 << 0)
    /// A failed condition is answered only from a record that is known to be chosen.
    package static let answerOnlyChosen = Self(rawValue: 1 << 1)
    /// A change is not evaluated on a record in flight that may have expired before it is chosen.
    package static let awaitExpiring = Self(rawValue: 1 << 2)
    /// A record is reported as expired only after a tombstone was chosen above it.
    package static let tombstoneExpired = Self(rawValue: 1 << 3)
    /// The rule `tombstoneExpired` also holds for records of the leader's own ballot.
    package static let tombstoneOwn = Self(rawValue: 1 << 4)
    /// A write is acknowledged only when a majority holds it.
    package static let majorityAcknowledges = Self(rawValue: 1 << 5)
    /// A new leader's partition is settled at once only if a majority has the leader's root.
    package static let compareRoots = Self(rawValue: 1 << 6)
    /// A partition switches to its next replica set only when every record is on a majority of that set.
    package static let settleBeforeSwitch = Self(rawValue: 1 << 7)
    /// Tombstones are removed only when every replica has them and has promised a ballot above theirs.
    package static let purgeWhenAllHold = Self(rawValue: 1 << 8)
    /// Requests of another configuration than the replica's own are refused.
    package static let compareEpochs = Self(rawValue: 1 << 9)
    /// A replica whose membership has lapsed deletes its copy and begins again from nothing.
    package static let wipeLapsed = Self(rawValue: 1 << 10)
    /// A leader whose disk has stalled gives up the lead.
    package static let yieldWhenStalled = Self(rawValue: 1 << 11)
    /// A leader whose disk is full transfers the lead.
    package static let yieldWhenFull = Self(rawValue: 1 << 12)
    /// A leader that is in touch with no majority gives up the lead.
    package static let yieldWhenLonely = Self(rawValue: 1 << 13)
    /// A record whose value cannot be read from the disk does not count as absent.
    package static let rememberDamaged = Self(rawValue: 1 << 14)
    /// A copy that may lack records that it has acknowledged does not tell what it holds.
    package static let abstainWhenIncomplete = Self(rawValue: 1 << 15)
    /// A replica that has nothing to do rests. (Nothing may change if it does not.)
    package static let rest = Self(rawValue: 1 << 16)
    /// A replica that rests is woken by whatever happens to it.
    package static let wake = Self(rawValue: 1 << 17)
    /// A change of what a node leads is taken only if nothing before it is missing.
    package static let noticeGaps = Self(rawValue: 1 << 18)
    /// What a topology changes is applied to the topology before it, and to no other.
    package static let applyInOrder = Self(rawValue: 1 << 19)
    /// A node acts on a topology only once it is on disk.
    package static let persistBeforeActing = Self(rawValue: 1 << 20)
    /// Every change goes to the disk, even if later ones have come while it waited.
    package static let persistEveryChange = Self(rawValue: 1 << 21)
    /// A count leaves out an expired record only once there is a tombstone above it.
    package static let countExpired = Self(rawValue: 1 << 22)
    /// Requests go to the partition that has their key by this node's topology, whatever the sender's says.
    package static let followSplits = Self(rawValue: 1 << 23)
    /// A leader that was split leaves the changes of each key to the leader of the partition that the key is in.
    package static let divideUnfinished = Self(rawValue: 1 << 24)
    /// Lists and counts are of a partition as the asker's topology cuts it.
    package static let compareCuts = Self(rawValue: 1 << 25)
    /// A node goes by a topology that splits partitions once its store has divided them.
    package static let awaitDivision = Self(rawValue: 1 << 26)
    /// A process that has just started supports whoever has its promises.
    package static let supportAfterStart = Self(rawValue: 1 << 27)
    /// A node that supports another one promises no ballot of anybody else where the promise is the other's.
    package static let keepSupport = Self(rawValue: 1 << 28)
    /// Support covers only partitions whose promises have not been taken away since they were confirmed.
    package static let countTaken = Self(rawValue: 1 << 29)
    /// A leader that has asked its successor to prepare answers nothing by support any more.
    package static let releaseBeforeTransfer = Self(rawValue: 1 << 30)
    /// Support counts from when it was asked for.
    package static let countFromQuestion = Self(rawValue: 1 << 31)
    /// Of the time for which support is given, as much is not counted as clocks may run apart.
    package static let allowForDrift = Self(rawValue: 1 << 32)
}
