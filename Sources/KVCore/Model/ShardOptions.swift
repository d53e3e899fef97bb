/// Times and limits of a shard, all named here.
package struct ShardOptions: Sendable {
    /// How often `timer` is to be given.
    package var timer = Nanoseconds.milliseconds(10)
    /// A request to a peer without an answer is sent again after this.
    package var retry = Nanoseconds.milliseconds(200)
    /// A majority that was asked to confirm a leader and has not by then: the other replicas are asked as well.
    package var hedge = Nanoseconds.milliseconds(20)
    /// For so long no confirmation is to rest on a replica that was late with one.
    package var hedgeTime = Nanoseconds.milliseconds(1000)
    /// A replica asked whether it sees a leader is asked again after this, if no majority has said that it sees none.
    package var preVoteRetry = Nanoseconds.milliseconds(50)
    /// How often a leader tells the replicas that it leads, and every node all others that it runs.
    package var leaderHeartbeat = Nanoseconds.milliseconds(300)
    /// A leader not heard of for so long is taken to be gone, whatever the failure detector says.
    package var leaderTimeout = Nanoseconds.milliseconds(1500)
    /// A leader that has not been in touch with a majority for so long gives up the lead (etcd's CheckQuorum).
    package var lonely = Nanoseconds.milliseconds(500)
    /// How long a candidate waits for its majority.
    package var candidacy = Nanoseconds.milliseconds(1000)
    /// The same for one that re-proposes changes of its last leadership: giving up would leave their outcome unknown.
    package var reproposingCandidacy = Nanoseconds.milliseconds(5000)
    /// At most this long, at random, before a candidate that failed tries again (Raft's way out of duels).
    package var backoff = Nanoseconds.milliseconds(300)
    /// A replica that is not the first in touch waits this long for each that is before it, then leads itself.
    package var stagger = Nanoseconds.milliseconds(500)
    /// For so long after the start, peers not heard of yet are given their turn to lead.
    package var startGrace = Nanoseconds.milliseconds(1000)
    /// An append that is not durable by then: the disk has stalled, and this node gives up what it leads. Well above
    /// what a disk takes that is only busy, and below `leaderTimeout`.
    package var stall = Nanoseconds.milliseconds(1000)
    /// After a stall a node leads again what others can lead no sooner than this. Each stall within `steadiness` of the
    /// last doubles it, up to `maximumRest`.
    package var rest = Nanoseconds.milliseconds(2000)
    package var maximumRest = Nanoseconds.milliseconds(240_000)
    package var steadiness = Nanoseconds.milliseconds(600_000)
    /// For so long a peer that has declined a leadership is not offered one.
    package var declined = Nanoseconds.milliseconds(5000)
    /// A peer back in touch gets its leaderships again after this.
    package var handbackDelay = Nanoseconds.milliseconds(1000)
    /// A leadership transfer not finished by then is given up, and tried again after `handbackDelay`.
    package var transferTimeout = Nanoseconds.milliseconds(1000)
    /// A read that its leader has not answered by then is tried at a majority of replicas as well.
    package var leaderlessAfter = Nanoseconds.milliseconds(50)
    /// A read sent to a leader is sent again after this, as nothing can be lost by it.
    package var readRetry = Nanoseconds.milliseconds(1000)
    /// A replica known to be level is compared with its leader again after this.
    package var recompare = Nanoseconds.milliseconds(600_000)
    /// How often a leader looks for tombstones that may go, and for how long its replicas must have been level before.
    package var purge = Nanoseconds.milliseconds(10_000)
    /// How often a leader looks for expired records in one leaf of a partition that has records with an expiry.
    package var sweep = Nanoseconds.milliseconds(250)
    /// How often a node asks whether the copies of partitions it has lost may be deleted.
    package var dropReplica = Nanoseconds.milliseconds(500)
    /// How long a chosen write waits for the slower replicas before they count as having missed it.
    package var stragglers = Nanoseconds.milliseconds(1000)

    /// Leaderships handed over at a time.
    package var maximumTransfers = 64
    /// Hash trees compared at a time with one peer, over all partitions.
    package var maximumComparisons = 32
    /// Keys remembered for a peer that missed them, in one partition; past it, the hash trees find them.
    package var maximumMissed = 1024
    /// Records on their way to a lagging peer, in one partition.
    package var repairWindow = 64
    /// Bytes of such records, over all partitions, for one peer.
    package var repairBytes = 8 << 20
    /// Keys being recovered at a time while a partition settles.
    package var settleWindow = 64
    /// Bytes of records that were proposed and are not yet at every replica, over all partitions. At it, writes are
    /// refused and settling pauses; at half of it, slow replicas count as having missed what is chosen.
    package var maximumProposedBytes = 256 << 20
    /// Bytes of changes sent to one peer, over all partitions, that it has not answered; what is more waits. One change
    /// may be larger.
    package var peerWindow = 8 << 20
    /// Bytes a second of the slowest link that is waited for before anything is sent over it again.
    package var slowestLink = 4 << 20
    /// Bytes a second sent to the joining nodes of partitions that move, from one shard; 0 is no limit.
    package var moveRate = 0
    /// Messages of configurations that this node has yet to hear of, kept until then, and their bytes.
    package var maximumEarly = 4096
    package var maximumEarlyBytes = 32 << 20
    /// Copies deleted at a time after their partitions have left.
    package var maximumDropped = 64
    /// Expired records turned into tombstones at a time, in one partition.
    package var maximumExpired = 64
    /// The same before a page of a listing, or a count, is told.
    package var maximumTombstoned = 1024
    /// Answers to other nodes that wait until what they tell of is durable; more are not given, and are asked for
    /// again.
    package var maximumDeferred = 100_000
    /// Bytes that these may take, beside one of them: where a disk hangs, others go on asking for leaves and values.
    package var maximumDeferredBytes = 16 << 20
    /// Records that the disk has spoiled, asked of other replicas at a time, and how long each waits for an answer.
    package var maximumRepairs = 16
    package var repairTimeout = Nanoseconds.milliseconds(1000)
    /// Keys that listings look at between two timers, over all partitions: other requests have their turns between.
    package var listingSlice = 16_384
    /// Keys of a partition, and their bytes, that its leader keeps in order while a listing goes through it; one is
    /// kept in any case. Those that come after are looked for when the listing gets there.
    package var listingWindow = 16_384
    package var listingWindowBytes = 4 << 20
    /// Partitions whose leaders keep such keys, and for how long after they were last asked for.
    package var listedPartitions = 8
    package var listingIdle = Nanoseconds.milliseconds(10_000)
    /// Requests that wait at a node for their answers; more are refused.
    package var maximumRequests = 100_000

    /// What the tests may switch off.
    package var broken: BrokenRules = []

    package init() {}
}

/// Rules of the protocol that a shard does not keep: none, but in tests that show what each is for.
///
/// A set rather than a flag for each: the shipping program asks it only where a rule is about to decide something, and
/// then looks at one word.
package struct BrokenRules: OptionSet, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A read at the leader waits until a majority has confirmed the ballot after it came.
    package static let confirmReads = Self(rawValue: 1 << 0)
    /// A failed condition is answered only from a value known to be chosen.
    package static let answerOnlyChosen = Self(rawValue: 1 << 1)
    /// A change is not evaluated on a record in flight that may have expired before it is chosen.
    package static let awaitExpiring = Self(rawValue: 1 << 2)
    /// A record is found expired only above a tombstone: an earlier leader's, and the leader's own as well.
    package static let tombstoneExpired = Self(rawValue: 1 << 3)
    package static let tombstoneOwn = Self(rawValue: 1 << 4)
    /// A write is acknowledged when a majority holds it, not at the first.
    package static let majorityAcknowledges = Self(rawValue: 1 << 5)
    /// A partition is settled at once only if a majority has the leader's root.
    package static let compareRoots = Self(rawValue: 1 << 6)
    /// A replica set is switched only when its records are on a majority of the next one.
    package static let settleBeforeSwitch = Self(rawValue: 1 << 7)
    /// Tombstones are forgotten only when every replica has them, and has promised above them.
    package static let purgeWhenAllHold = Self(rawValue: 1 << 8)
    /// Requests of another configuration than the replica's own are refused.
    package static let compareEpochs = Self(rawValue: 1 << 9)
    /// A membership that lapsed begins again from nothing.
    package static let wipeLapsed = Self(rawValue: 1 << 10)
    /// A leader whose disk has stalled gives up the lead.
    package static let yieldWhenStalled = Self(rawValue: 1 << 11)
    /// A leader whose disk is full hands the lead over.
    package static let yieldWhenFull = Self(rawValue: 1 << 12)
    /// A leader that hears no majority gives up the lead.
    package static let yieldWhenLonely = Self(rawValue: 1 << 13)
    /// A record whose bytes on disk are bad is there, though its value must be had from elsewhere.
    package static let rememberDamaged = Self(rawValue: 1 << 14)
    /// A copy that may lack records it has acknowledged does not prove that there is none.
    package static let abstainWhenIncomplete = Self(rawValue: 1 << 15)
}
