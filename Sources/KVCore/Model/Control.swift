/// What an operator asks of the coordinator.
public enum ControlRequest: Hashable, Sendable {
    /// Begin a plan; `isDryRun` only computes it.
    case change(MembershipChange, isDryRun: Bool)
    case pause
    case resume
    case cancel
    case status
}

/// Who is to come and to go, all in one plan.
public struct MembershipChange: Hashable, Sendable {
    public var joins: [Join]
    /// Ids of members.
    public var leaves: [String]
    /// Those who leave are dead: do not wait for their help.
    public var isForced: Bool

    public struct Join: Hashable, Sendable {
        /// Of an applicant.
        public var id: String
        /// Instead of what the applicant says.
        public var weight: Int?
        public var zone: String?
        /// The member whose place it takes; it may have the same id.
        public var replaces: String?

        public init(id: String, weight: Int? = nil, zone: String? = nil, replaces: String? = nil) {
            self.id = id
            self.weight = weight
            self.zone = zone
            self.replaces = replaces
        }
    }

    public init(joins: [Join] = [], leaves: [String] = [], isForced: Bool = false) {
        self.joins = joins
        self.leaves = leaves
        self.isForced = isForced
    }
}

public enum ControlReply: Hashable, Sendable {
    /// The plan under way, or computed for a dry run; nil where there is none.
    case plan(PlanStatus?)
    /// Nothing was changed.
    case refused(ControlRefusal, String)
    /// It may have begun, or may yet: look at the plan.
    case unknown
    /// The receiver does not lead the council; who does, if known.
    case notCoordinator(hint: NodeNumber?)
}

public enum ControlRefusal: UInt8, Hashable, Sendable, CaseIterable {
    /// No such member, or no such applicant.
    case noSuchNode = 1
    /// Another plan is under way.
    case planUnderWay = 2
    /// There is no plan to pause, resume or cancel.
    case noPlan = 3
    /// It cannot be done as asked: the message says why.
    case impossible = 4
    /// No coordinator could be reached in time.
    case noCoordinator = 5
}

/// A plan and how far it is.
public struct PlanStatus: Hashable, Sendable {
    public var id: Epoch
    public var reason: ChangePlan.Reason
    public var joining: [String]
    public var leaving: [String]
    public var isPaused: Bool
    public var isCancelling: Bool
    /// Replicas to copy in all, and those done.
    public var moves: Int
    public var movesDone: Int
    /// Partitions not yet where they are to be, over all that the plan changes.
    public var partitionsLeft: Int
    /// Fewest copies that any balanced placement of the same members would take.
    public var minimum: Int
    /// Bytes to copy in all, as estimated, and those done.
    public var bytes: UInt64
    public var bytesDone: UInt64
    /// Bytes a second lately.
    public var rate: UInt64
    /// At most `maximumUnderWay`, those with obstacles first.
    public var underWay: [MoveStatus]
    /// What becomes of the members' shares from now on, in the order of their numbers; those that come and go included.
    public var shares: [ShareChange]

    public static let maximumUnderWay = 32

    public init(
        id: Epoch, reason: ChangePlan.Reason, joining: [String], leaving: [String], isPaused: Bool,
        isCancelling: Bool, moves: Int, movesDone: Int, partitionsLeft: Int, minimum: Int, bytes: UInt64,
        bytesDone: UInt64, rate: UInt64, underWay: [MoveStatus], shares: [ShareChange] = []
    ) {
        self.id = id
        self.reason = reason
        self.joining = joining
        self.leaving = leaving
        self.isPaused = isPaused
        self.isCancelling = isCancelling
        self.moves = moves
        self.movesDone = movesDone
        self.partitionsLeft = partitionsLeft
        self.minimum = minimum
        self.bytes = bytes
        self.bytesDone = bytesDone
        self.rate = rate
        self.underWay = underWay
        self.shares = shares
    }
}

/// What the rest of a plan makes of a node's share: how many partitions it holds a replica of, and how many it is the
/// preferred leader of, now and when the plan is done. Of a plan that begins, now is before it.
public struct ShareChange: Hashable, Sendable {
    public var id: String
    public var replicasBefore: Int
    public var replicasAfter: Int
    public var leadersBefore: Int
    public var leadersAfter: Int

    public init(id: String, replicasBefore: Int, replicasAfter: Int, leadersBefore: Int, leadersAfter: Int) {
        self.id = id
        self.replicasBefore = replicasBefore
        self.replicasAfter = replicasAfter
        self.leadersBefore = leadersBefore
        self.leadersAfter = leadersAfter
    }
}

public struct MoveStatus: Hashable, Sendable {
    public var partition: PartitionID
    public var from: [NodeNumber]
    public var to: [NodeNumber]
    public var sent: UInt64
    public var total: UInt64
    public var obstacle: MoveObstacle?

    public init(
        partition: PartitionID, from: [NodeNumber], to: [NodeNumber], sent: UInt64, total: UInt64,
        obstacle: MoveObstacle?
    ) {
        self.partition = partition
        self.from = from
        self.to = to
        self.sent = sent
        self.total = total
        self.obstacle = obstacle
    }
}
