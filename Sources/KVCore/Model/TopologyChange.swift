/// What the next topology changes of the present one. It grows with what changes, not with the cluster: nodes tell each
/// other of changes, and keep them on disk, where the whole document would cost as much as there are partitions.
///
/// Most changes are steps of moves, which the plan describes already: they are lists of partitions.
package struct TopologyChange: Hashable, Sendable {
    /// The epoch of the topology that this changes. It cannot be applied to another one.
    package var base: Epoch
    /// The epoch of the topology that this gives.
    package var epoch: Epoch
    /// The members and those that were, if anything about them changes.
    package var membership: Membership?
    package var plan: NextPlan
    /// How many partitions are split in two, in the order of `SlotMap`. Only a plan that is kept and not paused splits.
    package var splits: Int
    /// By the step that they take, the partitions that take one, ascending.
    package var steps: [Step: [PartitionID]]
    /// The partitions that are given what no step gives them, ascending.
    package var replaced: [Replacement]
    package var metadataQuorum: Assignment?

    package struct Membership: Hashable, Sendable {
        package var members: [Member]
        package var lastNumber: NodeNumber
        package var removed: [RemovedMember]

        package init(members: [Member], lastNumber: NodeNumber, removed: [RemovedMember]) {
            self.members = members
            self.lastNumber = lastNumber
            self.removed = removed
        }

        init(of topology: Topology) {
            self.init(members: topology.members, lastNumber: topology.lastNumber, removed: topology.removed)
        }
    }

    /// What becomes of the plan.
    package enum NextPlan: Hashable, Sendable {
        /// There is none in the next topology.
        case none
        /// It goes on, without the targets that steps have reached.
        case kept(isPaused: Bool)
        case replaced(ChangePlan)
    }

    /// What a partition does in a plan that is kept. Nodes that stay keep their memberships.
    package enum Step: UInt8, Hashable, Sendable, CaseIterable {
        /// It begins to move to its target.
        case begin = 1
        /// Its next replica set, which is its target, becomes the present one. The target is reached.
        case complete = 2
        /// It goes on with its present replica set alone. The target stays.
        case takeBack = 3
        /// Its target has the same nodes in another order, and becomes the present replica set. The target is reached.
        case reorder = 4

        /// Whether the target is reached by it.
        package var reachesTarget: Bool { self == .complete || self == .reorder }
    }

    package struct Replacement: Hashable, Sendable {
        package var partition: PartitionID
        package var assignment: Assignment

        package init(partition: PartitionID, assignment: Assignment) {
            self.partition = partition
            self.assignment = assignment
        }
    }

    package init(
        base: Epoch, epoch: Epoch, membership: Membership? = nil, plan: NextPlan = .none,
        splits: Int = 0,
        steps: [Step: [PartitionID]] = [:],
        replaced: [Replacement] = [], metadataQuorum: Assignment? = nil
    ) {
        self.base = base
        self.epoch = epoch
        self.membership = membership
        self.plan = plan
        self.splits = splits
        self.steps = steps
        self.replaced = replaced
        self.metadataQuorum = metadataQuorum
    }

    /// How much this changes, in partitions and members, for limits on what is kept.
    package var weight: Int {
        let targets = if case .replaced(let plan) = plan { plan.targets.count } else { 0 }
        let nodes = membership.map { $0.members.count + $0.removed.count } ?? 0
        return 1 + splits + steps.values.reduce(0) { $0 + $1.count } + replaced.count + targets + nodes
    }
}
