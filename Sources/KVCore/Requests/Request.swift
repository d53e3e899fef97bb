/// One command of a client, from the moment it is read until its answer is written.
///
/// It has one owner at a time: a connection, a queue of a shard, or the event loop that it is handed to. The request
/// itself is passed on, so that whoever has it needs no look-up. Only an answer that comes over the network finds its
/// request by a number (`RequestTable`).
///
///     connection --submit--> begun --+--> held | electing | evaluating | recovering | confirming | proposed --+
///                                    |         (a replica of this node has it)                                |
///                                    +--> waiting <--> forwarded                                              |
///                                              (no leader is known; another node has it)                      |
///                                                                                                             v
///     connection <---------------------- Shard.finished <-------------------------------------------- finished
///
/// A replica that cannot lead turns a request away, and it goes back to `waiting`. A request of another node's client
/// (`Origin.peer`) goes through the replica in the same way, and is answered to that node. After "one message from the
/// bus to the journal" in TigerBeetle's `message_pool.zig`.
package final class Request: @unchecked Sendable {
    package enum Origin: Hashable, Sendable {
        /// A client of this node. The request ends in `Shard.finished`.
        case client
        /// Another node, on behalf of its client. The number is that node's.
        case peer(NodeNumber, RequestID)
    }

    /// The place where a request is. It names the one queue that holds the request.
    package enum Stage: Equatable, Sendable {
        /// In no queue: not yet, or on its way from one queue to another.
        case begun
        /// Waits until a leader is known; a stale read waits for a copy.
        case waiting
        /// Another node has it: the leader, or one that reaches the leader.
        case forwarded(NodeNumber)
        /// Waits for the election in which this node's replica stands.
        case electing
        /// Waits at this node's leader until a majority is in touch, a leadership transfer ends, the partition settles,
        /// or a damaged copy is repaired.
        case held
        /// Waits for the value of its key's latest record, or until the record in flight is chosen.
        case evaluating
        /// Waits until the key's latest record has been read from a majority.
        case recovering
        /// Waits until a majority has confirmed the leader, and the record that the answer rests on is chosen.
        case confirming
        /// Its change has been proposed, and cannot be taken back.
        case proposed
        /// Its outcome is set. It does not change any more.
        case finished
    }

    /// The key. For `list` and `count`, which are about a whole partition, it is any key of the partition.
    package let key: Key
    /// The hash of `key`.
    package let hash: KeyHash
    package internal(set) var partition: PartitionID
    /// The number of partitions among which it was found; 0 as long as nothing has been split.
    var locatedAmong = 0
    package let command: Command
    package let consistency: Consistency
    package let origin: Origin
    /// The time by which it must be answered.
    package internal(set) var deadline: Instant
    /// The time from the submission to `deadline`, if the deadline was not given as an instant.
    package let timeout: Nanoseconds

    // Fields of the caller, which nothing in this target reads.
    /// The object that the caller wants to notify of the outcome.
    package let caller: AnyObject?
    /// A number that tells it from other requests of the same caller.
    package let token: UInt64
    /// True if the request is not to be executed when another node is known to lead its partition: `redirect` then
    /// names that node. A stale read that this node can answer is executed all the same.
    package let redirects: Bool
    /// The number of bytes that the caller has room for. A read of a larger value that has to be read from disk may be
    /// answered with the value's size instead (`needs`).
    package let allowance: Int
    /// The number of bytes for which the request counts against the caller's limit.
    package var charged = 0

    // Fields of the shard.
    package internal(set) var stage = Stage.begun
    /// Its place in the queue that `stage` names.
    var place = 0
    /// Its slot in `Deadlines`, and its place there. The place is -1 while it is not in the list.
    var deadlineSlot = 0
    var deadlinePlace = -1
    /// The number of the request in the order in which the shard's requests came.
    var serial: UInt64 = 0
    var began = Instant(nanoseconds: 0)
    /// The search for the leader and for other copies, beyond this node's replica; nil as long as none is needed.
    var pursuit: Pursuit?
    /// The result of evaluating its update, which has been proposed.
    var result: UpdateResult?

    /// The outcome; nil until the request has ended.
    package internal(set) var outcome: Outcome?
    /// The node that executed it.
    package internal(set) var executor = NodeNumber(0)
    /// That node's id, if it has been looked up.
    package var executorID = ""
    /// The node to ask instead. The request was not executed here (`redirects`).
    package var redirect: Address?
    /// The approximate size of the value in bytes, if it is above `allowance` and was not read: the caller may ask
    /// again with as much room. 0 otherwise.
    package var needs = 0

    /// The time by which a request must be answered.
    package enum TimeLimit: Sendable {
        /// An instant on the clock of the shard that the request will be submitted to.
        case until(Instant)
        /// A time from the submission on.
        case within(Nanoseconds)
    }

    /// Makes a request.
    ///
    /// - Parameter hash: The key's hash, if it is known.
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

    /// Begins the request's time, when it is submitted.
    func beginTime(at now: Instant) {
        began = now
        if deadline == Self.notCounted { deadline = now + timeout }
    }

    /// Ends a request that no shard has. (A shard ends the requests that were submitted to it.)
    package func end(_ outcome: Outcome, by node: NodeNumber) {
        assert(!isFinished, "a request ends once")
        stage = .finished
        self.outcome = outcome
        executor = node
    }

    /// The bytes of its key and values.
    package var bytes: Int { key.bytes.count + command.valueBytes }

    /// The number by which answers of other nodes find it; nil as long as no other node has been asked.
    package var number: RequestID? { pursuit?.id }

    package var isFinished: Bool { stage == .finished }

    /// True if this node's replica has it.
    var isHere: Bool {
        switch stage {
        case .electing, .held, .evaluating, .recovering, .confirming, .proposed: true
        case .begun, .waiting, .forwarded, .finished: false
        }
    }

    /// True if any copy may answer. Only `get` can be read so; other commands go to the leader whatever `consistency`
    /// is.
    var isStaleRead: Bool { consistency == .stale && command == .get }

    /// The outcome of a change that was chosen under `version`.
    func written(as version: Version) -> Outcome {
        result.map { .updated(version, $0) } ?? .written(version)
    }
}

/// The state of a request that this node's replica cannot answer by itself: the node looks for the leader and for other
/// copies.
final class Pursuit {
    /// The request's number, by which answers of other nodes name it.
    let id: RequestID
    /// When it was last sent to a leader.
    var sent: Instant
    /// How often it was sent to a node that turned out not to lead.
    var attempts = 0
    /// The copies received so far by a quorum read or a stale read, by node; nil if none was begun.
    var quorumRead: [NodeNumber: Record?]?
    /// True if it was last sent to a node that may reach the leader (a relay). `relayed` and `relays` say when it was
    /// last sent to such a node, and how often.
    var isRelayed = false
    var relayed: Instant?
    var relays = 0
    /// The leader that has a read which was then also sent to another node. Whichever answers first ends it.
    var alsoAsked: NodeNumber?
    /// True if a stale read waits for this node's own copy, which it has asked last.
    var isReadingHere = false
    /// True if this node's own copy cannot be read.
    var isUnreadableHere = false

    init(id: RequestID, began: Instant) {
        self.id = id
        sent = began
    }
}
