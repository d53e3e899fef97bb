import KVCore
import KVWire

extension SplitMix {
    mutating func obstacle() -> MoveObstacle? {
        switch below(5) {
        case 0: nil
        case 1: .unreachable(node())
        case 2: .silent(node())
        case 3: .settling
        default: .paused
        }
    }

    mutating func report() -> NodeReport {
        NodeReport(
            epoch: number(), store: uuid(),
            partitions: (0..<below(20)).map { _ in PartitionSize(partition: partition(), bytes: number()) },
            moves: (0..<below(5)).map { _ in
                MoveReport(
                    partition: partition(), changed: number(), sent: number(), total: number(), isReady: flip(),
                    obstacle: obstacle())
            })
    }

    mutating func pendingNode() -> PendingNode {
        PendingNode(
            id: text(), client: address(), peer: address(), zone: text(), weight: 1 + below(1000), store: uuid(),
            boot: number(), admitsItself: flip())
    }

    mutating func controlRequest() -> ControlRequest {
        switch below(7) {
        case 6: .split(partitions: below(20000), isDryRun: flip())
        case 0, 1:
            .change(
                MembershipChange(
                    joins: (0..<below(4)).map { _ in
                        MembershipChange.Join(
                            id: text(), weight: flip() ? nil : below(100), zone: flip() ? nil : text(),
                            replaces: flip() ? nil : text())
                    },
                    leaves: (0..<below(4)).map { _ in text() }, isForced: flip()), isDryRun: flip())
        case 2: .pause
        case 3: .resume
        case 4: .cancel
        default: .status
        }
    }

    mutating func controlReply() -> ControlReply {
        switch below(6) {
        case 0, 1: .plan(planStatus())
        case 2: .plan(nil)
        case 3: .refused(ControlRefusal.allCases[below(ControlRefusal.allCases.count)], text())
        case 4: .unknown
        default: .notCoordinator(hint: flip() ? nil : node())
        }
    }

    private mutating func reason() -> ChangePlan.Reason {
        ChangePlan.Reason.allCases[below(ChangePlan.Reason.allCases.count)]
    }

    private mutating func planStatus() -> PlanStatus {
        let reason = reason()
        return PlanStatus(
            id: number(), reason: reason, joining: (0..<below(3)).map { _ in text() },
            leaving: (0..<below(3)).map { _ in text() }, isPaused: flip(), isCancelling: flip(),
            moves: below(1000), movesDone: below(1000), partitionsLeft: below(20000), minimum: below(1000),
            bytes: number(), bytesDone: number(), rate: number(),
            underWay: (0..<below(4)).map { _ in
                MoveStatus(
                    partition: partition(), from: (0..<below(4)).map { _ in node() },
                    to: (0..<below(4)).map { _ in node() }, sent: number(), total: number(), obstacle: obstacle())
            },
            partitions: reason == .split ? below(16385) : 0, splitTo: reason == .split ? below(16385) : 0,
            waitsFor: reason == .split && flip() ? text() : nil,
            shares: (0..<below(3)).map { _ in
                ShareChange(
                    id: text(), replicasBefore: below(1000), replicasAfter: below(1000), leadersBefore: below(1000),
                    leadersAfter: below(1000))
            })
    }

    mutating func topology() -> Topology {
        var number = 0
        var members: [Member] = []
        var removed: [RemovedMember] = []
        for _ in 0..<1 + below(6) {
            number += 1 + below(300)
            members.append(member(number))
            if flip() {
                number += 1 + below(300)
                removed.append(
                    RemovedMember(number: NodeNumber(UInt16(number)), id: text(), store: flip() ? nil : uuid()))
            }
        }
        let numbers = members.map(\.number)
        let epoch = 1 + self.number() / 2
        let partitions = 1 << below(7)
        let slots = SlotMap(founding: partitions, count: partitions + (flip() ? 0 : below(200))) ?? SlotMap(founding: 1)
        return Topology(
            clusterID: uuid(), epoch: epoch,
            settings: ClusterSettings(name: text(), partitions: partitions, replicas: 1 + below(5)), members: members,
            lastNumber: NodeNumber(UInt16(number + below(10))), removed: removed,
            assignments: alike(slots.count) { $0.assignment(numbers, epoch) },
            metadataQuorum: assignment(Array(numbers.prefix(Topology.maximumMetadataQuorum)), epoch),
            plan: flip() ? nil : plan(numbers, epoch, slots))
    }

    private mutating func member(_ number: Int) -> Member {
        Member(
            number: NodeNumber(UInt16(number)), id: text(), client: address(), peer: address(), zone: text(),
            weight: 1 + below(1000), store: flip() ? nil : uuid(),
            status: Member.Status.allCases[below(Member.Status.allCases.count)])
    }

    private mutating func assignment(_ numbers: [NodeNumber], _ epoch: Epoch) -> Assignment {
        let changed = UInt64.random(in: 1...epoch, using: &self)
        var assignment = Assignment(
            replicas: some(numbers), next: flip() ? nil : some(numbers), changed: changed)
        for index in assignment.since.indices { assignment.since[index] = .random(in: 1...changed, using: &self) }
        return assignment
    }

    private mutating func plan(_ numbers: [NodeNumber], _ epoch: Epoch, _ slots: SlotMap) -> ChangePlan {
        let reason = reason()
        return ChangePlan(
            id: .random(in: 1...epoch, using: &self), reason: reason, isPaused: flip(), isCancelling: flip(),
            targets: zip(slots.partitions, alike(slots.count) { $0.some(numbers) }).filter { _ in flip() }.map {
                ChangePlan.Target(partition: $0, replicas: $1)
            },
            moves: below(1000), minimum: below(1000), bytes: self.number(),
            splitTo: reason == .split ? 1 + below(16384) : 0)
    }

    /// Values of which neighbours are often the same, and distant ones now and then.
    private mutating func alike<Value>(_ count: Int, _ make: (inout Self) -> Value) -> [Value] {
        var values: [Value] = []
        while values.count < count {
            switch below(5) {
            case 0: values.append(values.randomElement(using: &self) ?? make(&self))
            case 1: values.append(make(&self))
            default: values.append(values.last ?? make(&self))
            }
        }
        return values
    }

    mutating func topologyChange() -> TopologyChange {
        let topology = topology()
        let numbers = topology.members.map(\.number)
        var steps: [TopologyChange.Step: [PartitionID]] = [:]
        for step in TopologyChange.Step.allCases where flip() { steps[step] = partitions() }
        let plans: [TopologyChange.NextPlan] = [
            .none, .kept(isPaused: flip()), .replaced(plan(numbers, topology.epoch, topology.slots)),
        ]
        let plan = plans[below(plans.count)]
        return TopologyChange(
            base: topology.epoch, epoch: topology.epoch + 1 + UInt64(below(3)),
            membership: flip()
                ? nil
                : .init(members: topology.members, lastNumber: topology.lastNumber, removed: topology.removed),
            plan: plan, splits: plan == .kept(isPaused: false) && flip() ? 1 + below(16384) : 0, steps: steps,
            replaced: flip()
                ? [] : partitions().map { .init(partition: $0, assignment: assignment(numbers, topology.epoch)) },
            metadataQuorum: flip() ? nil : topology.metadataQuorum)
    }

    /// At least one, ascending, some of them neighbours.
    private mutating func partitions() -> [PartitionID] {
        var numbers: Set<Int> = [below(16384)]
        for _ in 0..<below(4) {
            let first = below(16384)
            numbers.formUnion(first..<Swift.min(first + 1 + below(9), 16384))
        }
        return numbers.sorted().map { PartitionID(UInt16($0)) }
    }

    private mutating func some(_ numbers: [NodeNumber]) -> [NodeNumber] {
        Array(numbers.shuffled(using: &self).prefix(1 + below(numbers.count)))
    }

    private mutating func address() -> Address { Address(host: text(), port: below(65536)) }
}
