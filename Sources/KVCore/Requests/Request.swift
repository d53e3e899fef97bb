/// One command of a client, from the moment it is read until its answer is written.
///
/// It has one owner at a time: a door, a queue of a shard, or the event loop that it is handed to. What waits, waits
/// with the object itself; only what comes back over the network is found by a number (`RequestTable`).
///
///     door --submit--> begun --+--> held | electing | evaluating | recovering | confirming | proposed --+
///                              |         (a replica of this node's has it)                           |
///                              +--> waiting <--> forwarded                                           |
///                                        (no leader is known; another node has it)                   |
///                                                                                                    v
///     door <---------------------- Shard.finished <----------------------------------------- finished
///
/// A replica that cannot lead turns a request away, and it goes back to `waiting`. A request of another node's client
/// (`Origin.peer`) takes the same way through the replica, and is answered to that node. After "one message from the
/// bus to the journal" in TigerBeetle's `message_pool.zig`.
package final class Request: @unchecked Sendable {
    package enum Origin: Hashable, Sendable {
        /// A client of this node, whom `Shard.finished` is for.
        case client
        /// Another node on its client's behalf, under that node's number for it.
        case peer(NodeNumber, RequestID)
    }

    /// Where a request is, which names the one queue that holds it.
    package enum Stage: Equatable, Sendable {
        /// Nowhere yet, or on its way from one queue to another.
        case begun
        /// For a leader to be known, or, a stale read, for a copy.
        case waiting
        /// With another node: the leader, or one that reaches it.
        case forwarded(NodeNumber)
        /// With this node's candidate, which may come to lead.
        case electing
        /// With this node's leader: until a majority is in touch, a leadership transfer ends, or the partition settles.
        case held
        /// Until what its key holds can be told.
        case evaluating
        /// Until the key's latest record has been read from a majority.
        case recovering
        /// Until a majority has confirmed the leader.
        case confirming
        /// Its change is on its way, and cannot be taken back.
        case proposed
        /// Its outcome is set, once and for all.
        case finished
    }

    /// For `list` and `count`, which are about a partition, any key of it.
    package let key: Key
    /// Of the key.
    package let hash: KeyHash
    package let partition: PartitionID
    package let command: Command
    package let consistency: Consistency
    package let origin: Origin
    /// When it must be answered.
    package internal(set) var deadline: Instant
    /// What `deadline` is counted from the submission by, where it is not given.
    package let timeout: Nanoseconds

    // The caller's, at which nothing in this target looks.
    /// Whom to tell.
    package let caller: AnyObject?
    /// Tells it from other requests of the same caller.
    package let token: UInt64
    /// A request of a key that another node is known to lead is not carried out: `redirect` names that node. A stale
    /// read that this node can answer itself is.
    package let redirects: Bool
    /// What the caller has room for. A read of a value that is larger, and has to be read from the disk, may be
    /// answered with its size instead (`needs`). Bytes.
    package let allowance: Int
    /// Of the request, as counted against a limit. Bytes.
    package var charged = 0

    // The shard's.
    package internal(set) var stage = Stage.begun
    /// Its place in the queue that `stage` names.
    var place = 0
    /// Its slot in the list of deadlines, and its place there; the place is -1 where it is in none.
    var deadlineSlot = 0
    var deadlinePlace = -1
    /// The order in which the requests of one shard have come.
    var serial: UInt64 = 0
    var began = Instant(nanoseconds: 0)
    /// How it is being pursued beyond this node's replica; nil as long as it need not be.
    var pursuit: Pursuit?
    /// What its update, which is proposed, was evaluated to give.
    var result: UpdateResult?

    /// How it ended; nil until then.
    package internal(set) var outcome: Outcome?
    /// The node that executed it.
    package internal(set) var executor = NodeNumber(0)
    /// That node's id, where somebody has looked it up.
    package var executorID = ""
    /// Whom to ask instead: nothing was done here, as `redirects` has it.
    package var redirect: Address?
    /// The value has about so many bytes, more than `allowance`, and was not read: ask again with as much room. 0
    /// otherwise.
    package var needs = 0

    /// How long a request may take.
    package enum TimeLimit: Sendable {
        /// On the clock of the shard that it will be submitted to.
        case until(Instant)
        /// From the submission on.
        case within(Nanoseconds)
    }

    /// - Parameter hash: the key's, where it is known.
    package init(
        _ command: Command, key: Key, hash: KeyHash? = nil, partition: PartitionID,
        consistency: Consistency = .linearizable, limit: TimeLimit, origin: Origin = .client,
        redirects: Bool = false, allowance: Int = .max, caller: AnyObject? = nil, token: UInt64 = 0
    ) {
        self.key = key
        self.hash = hash ?? KeyHash(key)
        self.partition = partition
        self.command = command
        self.consistency = consistency
        self.origin = origin
        switch limit {
        case .until(let instant): (deadline, timeout) = (instant, .zero)
        case .within(let time): (deadline, timeout) = (Self.notCounted, time)
        }
        self.redirects = redirects
        self.allowance = allowance
        self.caller = caller
        self.token = token
    }

    private static let notCounted = Instant(nanoseconds: .max)

    /// Its time begins, where that is counted from here.
    func beginTime(at now: Instant) {
        began = now
        if deadline == Self.notCounted { deadline = now + timeout }
    }

    /// Sets how it ended, where no shard has it; a shard ends what it was given by itself.
    package func end(_ outcome: Outcome, by node: NodeNumber) {
        assert(!isFinished, "a request ends once")
        stage = .finished
        self.outcome = outcome
        executor = node
    }

    /// Bytes of its key and values.
    package var bytes: Int { key.bytes.count + command.valueBytes }

    /// The number under which other nodes know it; nil as long as none does.
    package var number: RequestID? { pursuit?.id }

    package var isFinished: Bool { stage == .finished }

    /// Whether this node's replica has it.
    var isHere: Bool {
        switch stage {
        case .electing, .held, .evaluating, .recovering, .confirming, .proposed: true
        case .begun, .waiting, .forwarded, .finished: false
        }
    }

    /// Only `get` can be answered from any copy; everything else goes to the leader whatever was asked for.
    var isStaleRead: Bool { consistency == .stale && command == .get }

    /// The outcome of a change that was chosen under `version`.
    func written(as version: Version) -> Outcome {
        result.map { .updated(version, $0) } ?? .written(version)
    }
}

/// What a node does about a request that its own replica does not simply answer: it looks for the leader, and for
/// other copies.
final class Pursuit {
    /// The request's number, by which answers of other nodes name it.
    let id: RequestID
    /// When it was last sent to a leader.
    var sent: Instant
    /// How often it was sent to a node that turned out not to lead.
    var attempts = 0
    /// The copies read so far, by node, of a read of several; nil where none has been asked for.
    var quorumRead: [NodeNumber: Record?]?
    /// It was given to a node that reaches the leader, or may; when last, and how often.
    var isRelayed = false
    var relayed: Instant?
    var relays = 0
    /// The leader that a read was given to before it went to another as well: whoever answers first does.
    var alsoAsked: NodeNumber?
    /// A stale read waits for this node's own copy, which it asked last.
    var isReadingHere = false
    /// This node's own copy cannot be read.
    var isUnreadableHere = false

    init(id: RequestID, began: Instant) {
        self.id = id
        sent = began
    }
}
