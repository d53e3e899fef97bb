/// What an operator asks of the coordinator.
package enum ControlRequest: Hashable, Sendable {
    /// Begin a plan; `isDryRun` only computes it.
    case change(MembershipChange, isDryRun: Bool)
    case pause
    case resume
    case cancel
    case status
}

package enum ControlReply: Hashable, Sendable {
    /// The plan under way, or computed for a dry run; nil where there is none.
    case plan(PlanStatus?)
    /// Nothing was changed.
    case refused(ControlRefusal, String)
    /// It may have begun, or may yet: look at the plan.
    case unknown
    /// The receiver does not lead the metadata quorum; who does, if known.
    case notCoordinator(hint: NodeNumber?)
}

package enum ControlRefusal: UInt8, Hashable, Sendable, CaseIterable {
    /// No such member, or no such pending node.
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
package struct PlanStatus: Hashable, Sendable {
    package var id: Epoch
    package var reason: ChangePlan.Reason
    package var joining: [String]
    package var leaving: [String]
    package var isPaused: Bool
    package var isCancelling: Bool
    /// Replicas to copy in all, and those done.
    package var moves: Int
    package var movesDone: Int
    /// Partitions not yet where they are to be, over all that the plan changes.
    package var partitionsLeft: Int
    /// Fewest copies that any balanced placement of the same members would take.
    package var minimum: Int
    /// Bytes to copy in all, as estimated, and those done.
    package var bytes: UInt64
    package var bytesDone: UInt64
    /// Bytes a second lately.
    package var rate: UInt64
    /// At most `maximumUnderWay`, those with obstacles first.
    package var underWay: [MoveStatus]
    /// What becomes of the members' shares from now on, in the order of their numbers; those that come and go included.
    package var shares: [ShareChange]

    package static let maximumUnderWay = 32

    package init(
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

package struct MoveStatus: Hashable, Sendable {
    package var partition: PartitionID
    package var from: [NodeNumber]
    package var to: [NodeNumber]
    package var sent: UInt64
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
