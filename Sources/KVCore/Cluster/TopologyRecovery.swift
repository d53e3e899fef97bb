/// The topology of a cluster after so many members are lost for good that majorities are gone. Nothing can be agreed
/// any more, so what is left is declared to be the truth. This is an operator's last resort. It is computed without the
/// cluster, from the topology that a survivor has on disk.
///
/// - A partition that keeps a majority of its replicas stays as it is, and a move of it is taken back: it loses
///   nothing.
/// - A partition that does not goes on with its last replicas alone. At most two of five are left, and each of two is
///   needed for a majority, so whatever either holds is found. Records that only lost replicas held are lost.
/// - The members that are lost count as given up for dead, and a plan gives every partition its replicas again.
/// - The metadata quorum is made of survivors. Its register holds an older topology, which is replaced
///   (`Epoch.generation`).
///
/// The epoch begins a new generation, above whatever else may have been chosen, so members that come back learn that
/// they are outdated. It follows from the topology and the list of lost members: survivors that compute it from the
/// same come to the same result, and others come to another epoch.
package struct TopologyRecovery: Sendable {
    /// The fate of a partition.
    package enum Fate: Hashable, Sendable {
        /// A majority of its replicas is left.
        case kept
        /// It goes on with the copies of these replicas.
        case reduced([NodeNumber])
        /// It was moving away from replicas that are all lost. Only unfinished copies are left, at these nodes.
        case unfinished([NodeNumber])
        /// No copy is left.
        case gone
    }

    package struct Refusal: Error, CustomStringConvertible {
        /// Says what is wrong with what, and what to do.
        package var description: String
    }

    /// How many numbers are passed over: topologies that only lost members knew may have given some to new members.
    private static let numbersPassedOver: UInt16 = 64

    /// The topology that the survivors are to go by.
    package let topology: Topology
    /// The fate of each partition, in the order of `Topology.assignments`.
    package let fates: [Fate]
    /// The members given up for lost, those included that the cluster had given up before.
    package let lost: [Member]
    /// The members that are left.
    package let left: [Member]

    /// - Parameters:
    ///   - topology: the latest topology that is known.
    ///   - survivor: the node that has it on disk.
    ///   - ids: the ids of the members that are lost.
    ///   - acceptsLoss: whether partitions of which no whole copy is left may begin with unfinished ones, or empty.
    package init(
        of topology: Topology, survivor: NodeNumber, lost ids: [String], acceptsLoss: Bool
    ) throws(Refusal) {
        var next = topology
        let gone = try Self.numbers(of: ids, in: topology)
        guard !gone.contains(survivor), topology.member(survivor) != nil else {
            throw Refusal(description: "this node itself is not among those that are left")
        }
        next.epoch = try topology.epoch.nextGeneration(lost: gone.sorted(), acceptsLoss: acceptsLoss)
        // An operator may try twice. The second time must not give another result than on the other survivors.
        if topology.isRecovery, topology.members.allSatisfy({ !gone.contains($0.number) || !$0.stays }) {
            throw Refusal(description: "it goes on without these already: start it")
        }
        let (number, overflow) = topology.lastNumber.raw.addingReportingOverflow(Self.numbersPassedOver)
        if !overflow { next.lastNumber = NodeNumber(number) }
        for index in next.members.indices {
            // A member that was to leave is needed now, and one that was to join all the more.
            if gone.contains(next.members[index].number) {
                next.members[index].status = .lost
            } else if next.members[index].status == .leaving {
                next.members[index].status = .active
            }
        }
        lost = next.members.filter { !$0.stays }
        left = next.members.filter(\.stays)

        let survivors = Set(left.map(\.number))
        let placed = Planner.plan(
            members: left, partitions: topology.assignments.count, replicas: topology.settings.replicas,
            current: topology.assignments.map { $0.replicas.filter(survivors.contains) })
        var fates: [Fate] = []
        for (index, assignment) in topology.assignments.enumerated() {
            let fate = Self.fate(of: assignment, survivors)
            fates.append(fate)
            switch fate {
            case .kept:
                guard assignment.next != nil else { continue }
                next.assignments[index] = assignment.changing(to: assignment.replicas, next: nil, at: next.epoch)
            case .reduced(let replicas), .unfinished(let replicas):
                next.assignments[index] = assignment.changing(to: replicas, next: nil, at: next.epoch)
            case .gone:
                next.assignments[index] = Assignment(replicas: placed.target[index], changed: next.epoch)
            }
        }
        self.fates = fates
        let hopeless = fates.indices.filter { fates[$0].needsConsent }
        guard hopeless.isEmpty || acceptsLoss else {
            let numbers = hopeless.map { Int(topology.slots.partition(at: $0).raw) }
            throw Refusal(
                description: """
                    of \(hopeless.count) of \(fates.count) partitions (\(Self.ranges(numbers))) no whole replica is \
                    left; if one of the lost disks can be read, start that node again instead; to give those keys up, \
                    add --accept-loss
                    """)
        }
        next.metadataQuorum = next.metadataQuorum.changing(
            to: Planner.metadataQuorum(
                of: next.members, current: next.metadataQuorum.replicas.filter(survivors.contains)),
            next: nil, at: next.epoch)
        next.plan = nil
        let placement = Placement(of: next.members, in: next, isDead: { _ in false })
        next.plan = ChangePlan(
            id: next.epoch, reason: .eviction, targets: placement.targets, moves: placement.copies,
            minimum: placement.minimum, bytes: 0)
        if let flaw = next.flaw {
            throw Refusal(description: "the topology that this would give is not sound: \(flaw)")
        }
        self.topology = next
    }

    private static func numbers(of ids: [String], in topology: Topology) throws(Refusal) -> Set<NodeNumber> {
        var numbers = Set(topology.members.filter { $0.status == .lost }.map(\.number))
        guard !ids.isEmpty else { throw Refusal(description: "name the members that are lost for good (--lost)") }
        for id in ids {
            let named = topology.members.filter { $0.id == id }
            guard !named.isEmpty else {
                let members = topology.members.map(\.id).joined(separator: ", ")
                throw Refusal(description: "\(id) is not a member; there are \(members)")
            }
            // While one member replaces another of the same name, the name stands for both, because neither can be
            // named alone.
            numbers.formUnion(named.map(\.number))
        }
        return numbers
    }

    private static func fate(of assignment: Assignment, _ survivors: Set<NodeNumber>) -> Fate {
        var left = assignment.replicas.filter(survivors.contains)
        if left.count > assignment.replicas.count / 2 { return .kept }
        let joiningNodes = (assignment.next ?? []).filter {
            survivors.contains($0) && !assignment.replicas.contains($0)
        }
        if left.isEmpty { return joiningNodes.isEmpty ? .gone : .unfinished(joiningNodes) }
        // Records that were chosen while it moved are at joining nodes as well. Each of two replicas is needed for a
        // majority; of three, one is not.
        if left.count == 1, let joiningNode = joiningNodes.first { left.append(joiningNode) }
        return .reduced(left)
    }

    /// Numbers as ranges: `0-3, 7`.
    package static func ranges(_ numbers: [Int]) -> String {
        var parts: [String] = []
        var index = 0
        while index < numbers.count {
            var end = index
            while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
            parts.append(end == index ? "\(numbers[index])" : "\(numbers[index])-\(numbers[end])")
            index = end + 1
        }
        return parts.joined(separator: ", ")
    }
}

extension TopologyRecovery.Fate {
    fileprivate var needsConsent: Bool {
        switch self {
        case .kept, .reduced: false
        case .unfinished, .gone: true
        }
    }
}

extension Epoch {
    /// The bits below count the changes of a generation. Whole numbers of JSON (2^53) leave room for 8191 generations.
    private static let generationShift: UInt64 = 40
    private static let maximumGeneration: UInt64 = 8191
    private static let baseMask: UInt64 = 1 << 28 - 1
    private static let variantBits: UInt64 = 12

    /// How often the cluster was recovered before this epoch. Topologies of a lower generation do not count in a higher
    /// one.
    package var generation: UInt64 { self >> Self.generationShift }

    /// The first epoch of the next generation. It is the higher the later the base is, and another for other losses.
    fileprivate func nextGeneration(
        lost: [NodeNumber], acceptsLoss: Bool
    ) throws(TopologyRecovery.Refusal) -> Epoch {
        guard generation < Self.maximumGeneration else {
            throw TopologyRecovery.Refusal(
                description: "the cluster cannot be recovered once more: its epochs are used up")
        }
        // FNV-1a.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for value in [acceptsLoss ? 1 : 0] + lost.map({ UInt64($0.raw) }) {
            hash = (hash ^ value) &* 0x100_0000_01b3
        }
        let variant = (hash ^ hash >> 32) & (1 << Self.variantBits - 1)
        return (generation + 1) << Self.generationShift | (self & Self.baseMask) << Self.variantBits | variant
    }
}

extension Topology {
    /// Whether it was made by a recovery and has not been changed since. The register need not hold it yet.
    var isRecovery: Bool { epoch.generation > 0 && plan?.id == epoch && metadataQuorum.changed == epoch }
}
