/// An operator's request to the coordinator.
package enum ControlRequest: Hashable, Sendable {
    /// Begins a plan, or only computes it if `isDryRun`.
    case change(MembershipChange, isDryRun: Bool)
    /// Begins to split partitions until there are so many, or only computes the plan if `isDryRun`.
    case split(partitions: Int, isDryRun: Bool)
    case pause
    case resume
    case cancel
    /// Asks for the plan that is under way.
    case status

    var isDryRun: Bool {
        switch self {
        case .change(_, let isDryRun), .split(_, let isDryRun): isDryRun
        case .pause, .resume, .cancel, .status: false
        }
    }
}

/// The answer to an operator's request.
package enum ControlReply: Hashable, Sendable {
    /// The plan that is under way, or the one that a dry run has computed. Nil if there is none.
    case plan(PlanStatus?)
    /// Nothing was changed, for this reason. The text explains it to the operator.
    case refused(ControlRefusal, String)
    /// The change may have begun, or may begin later. The plan's status will tell.
    case unknown
    /// The receiver does not lead the metadata quorum. `hint` is the node that does, if the receiver knows it.
    case notCoordinator(hint: NodeNumber?)
}

/// The reason why an operator's request was refused.
package enum ControlRefusal: UInt8, Hashable, Sendable, CaseIterable {
    /// There is no such member, or no such pending node.
    case noSuchNode = 1
    /// Another plan is under way.
    case planUnderWay = 2
    /// There is no plan to pause, resume or cancel.
    case noPlan = 3
    /// The request cannot be carried out; the message says why.
    case impossible = 4
    /// No coordinator could be reached in time.
    case noCoordinator = 5
}

/// A plan and its progress.
package struct PlanStatus: Hashable, Sendable {
    package var id: Epoch
    package var reason: ChangePlan.Reason
    package var joining: [String]
    package var leaving: [String]
    package var isPaused: Bool
    package var isCancelling: Bool
    /// Replicas to copy from the beginning of the plan to its end.
    package var moves: Int
    /// Replicas that have been copied.
    package var movesDone: Int
    /// Partitions that have not reached their replica sets yet.
    package var partitionsLeft: Int
    /// The fewest copies that any balanced placement of the same members takes.
    package var minimum: Int
    /// Bytes to copy from the beginning of the plan to its end, as estimated.
    package var bytes: UInt64
    /// Bytes that have been copied, of `bytes`.
    package var bytesDone: UInt64
    /// Bytes copied per second, smoothed over the last reports.
    package var rate: UInt64
    /// Moves under way, and moves that cannot begin. At most `maximumUnderWay`, those with obstacles first.
    package var underWay: [MoveStatus]
    /// How many partitions there are, if the reason is `split`; else 0.
    package var partitions: Int
    /// How many there are to be, if the reason is `split`; else 0.
    package var splitTo: Int
    /// The member that has kept splits waiting for a while, because it has not prepared them.
    package var waitsFor: String?
    /// How the members' shares will change, in the order of the members' numbers. Joining and leaving members are
    /// included.
    package var shares: [ShareChange]

    package static let maximumUnderWay = 32

    package init(
        id: Epoch, reason: ChangePlan.Reason, joining: [String], leaving: [String], isPaused: Bool,
        isCancelling: Bool, moves: Int, movesDone: Int, partitionsLeft: Int, minimum: Int, bytes: UInt64,
        bytesDone: UInt64, rate: UInt64, underWay: [MoveStatus], partitions: Int = 0, splitTo: Int = 0,
        waitsFor: String? = nil,
        shares: [ShareChange] = []
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
        self.partitions = partitions
        self.splitTo = splitTo
        self.waitsFor = waitsFor
        self.shares = shares
    }
}

/// How the rest of a plan changes a node's share: the partitions of which it holds a replica, and the partitions of
/// which it is the preferred leader. "Before" is now, "after" is when the plan is done.
package struct ShareChange: Hashable, Sendable {
    package var id: String
    package var replicasBefore: Int
    package var replicasAfter: Int
    package var leadersBefore: Int
    package var leadersAfter: Int

    package init(id: String, replicasBefore: Int, replicasAfter: Int, leadersBefore: Int, leadersAfter: Int) {
        self.id = id
        self.replicasBefore = replicasBefore
        self.replicasAfter = replicasAfter
        self.leadersBefore = leadersBefore
        self.leadersAfter = leadersAfter
    }
}

/// The progress of one partition's move.
package struct MoveStatus: Hashable, Sendable {
    package var partition: PartitionID
    /// The present replica set.
    package var from: [NodeNumber]
    /// The next replica set.
    package var to: [NodeNumber]
    /// Bytes that have been sent to the joining nodes.
    package var sent: UInt64
    /// Bytes to send to the joining nodes, the sent ones included.
    package var total: UInt64
    package var obstacle: MoveObstacle?

    package init(
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
