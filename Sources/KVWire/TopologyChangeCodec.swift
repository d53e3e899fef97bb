import KVCore

/// Encodes what topologies change, for disk and wire: docs/wire-format.md. The encoding has no checksum; its container
/// has one.
package enum TopologyChangeCodec {
    /// The most changes in one message. A change of a few bytes may concern every partition, so their number limits
    /// what a message becomes in memory.
    package static let maximumChanges = 64

    package static func encode(list changes: [TopologyChange]) -> [UInt8] {
        let bound = changes.reduce(ByteWriter.varintBound) { $0 + $1.encodedBound }
        return [UInt8](unsafeUninitializedCapacity: bound) { space, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(space))
            writer.topologyChanges(changes)
            count = writer.count
        }
    }

    /// Throws for bytes that are not changes. Whether they give sound topologies is found when they are applied.
    package static func decode(list bytes: [UInt8]) throws(WireError) -> [TopologyChange] {
        let result: Result<[TopologyChange], WireError> = bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(WireError) {
                let changes = try reader.topologyChanges()
                try reader.finish()
                return .success(changes)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// What becomes of the plan. The codes are frozen.
private enum PlanCode: UInt8 {
    case none = 0
    case kept = 1
    case paused = 2
    case replaced = 3
    /// Kept, not paused, and partitions are split.
    case split = 4
}

extension TopologyChange {
    /// An upper bound of the encoding's size.
    var encodedBound: Int {
        var bound = 64 + (metadataQuorum?.encodedBound ?? 0)
        if let membership {
            bound += membership.members.reduce(24) { $0 + $1.encodedBound }
            bound += membership.removed.reduce(24) { $0 + $1.encodedBound }
        }
        for partitions in steps.values { bound += 12 + 6 * partitions.count }
        for replacement in replaced { bound += 4 + replacement.assignment.encodedBound }
        if case .replaced(let plan) = plan { bound += plan.encodedBound }
        return bound
    }
}

extension ByteWriter {
    mutating func topologyChanges(_ changes: [TopologyChange]) {
        varint(count: changes.count)
        for change in changes { topologyChange(change) }
    }

    mutating func topologyChange(_ change: TopologyChange) {
        varint(change.base)
        varint(change.epoch)
        byte(change.membership == nil ? 0 : 1)
        if let membership = change.membership {
            members(membership.members)
            node(membership.lastNumber)
            removed(membership.removed)
        }
        switch change.plan {
        case .none: code(PlanCode.none)
        case .kept(isPaused: false) where change.splits > 0:
            code(PlanCode.split)
            varint(count: change.splits)
        case .kept(let isPaused): code(isPaused ? PlanCode.paused : .kept)
        case .replaced(let other):
            code(PlanCode.replaced)
            plan(other, TopologyCodec.format)
        }
        for step in TopologyChange.Step.allCases { ranges(change.steps[step] ?? []) }
        varint(count: change.replaced.count)
        for replacement in change.replaced {
            partition(replacement.partition)
            assignment(replacement.assignment)
        }
        byte(change.metadataQuorum == nil ? 0 : 1)
        if let metadataQuorum = change.metadataQuorum { assignment(metadataQuorum) }
    }

    /// Partitions, ascending, as ranges.
    private mutating func ranges(_ partitions: [PartitionID]) {
        var ranges: [ClosedRange<UInt16>] = []
        for partition in partitions {
            if let last = ranges.last, partition.raw == last.upperBound + 1 {
                ranges[ranges.count - 1] = last.lowerBound...partition.raw
            } else {
                ranges.append(partition.raw...partition.raw)
            }
        }
        varint(count: ranges.count)
        var free = 0
        for range in ranges {
            varint(count: Int(range.lowerBound) - free)
            varint(count: range.count)
            free = Int(range.upperBound) + 2
        }
    }
}

extension ByteReader {
    mutating func topologyChanges() throws(WireError) -> [TopologyChange] {
        let count = try count(of: "list of changes", size: 10, limit: TopologyChangeCodec.maximumChanges)
        var changes: [TopologyChange] = []
        changes.reserveCapacity(count)
        for _ in 0..<count { changes.append(try topologyChange()) }
        return changes
    }

    /// Reads a change. Its nodes need not be members, nor its partitions be there: that is checked where it is applied.
    mutating func topologyChange() throws(WireError) -> TopologyChange {
        let base: Epoch = try varint(in: 1...UInt64.max, "epoch of a change")
        let epoch: Epoch = try varint(in: 1...UInt64.max, "epoch of a change")
        guard epoch > base else { throw .invalid("epoch of a change") }
        let membership = try boolean("presence of members") ? try membership() : nil
        var splits = 0
        let plan: TopologyChange.NextPlan
        switch try code(PlanCode.self, "plan of a change") {
        case .none: plan = .none
        case .kept: plan = .kept(isPaused: false)
        case .paused: plan = .kept(isPaused: true)
        case .replaced: plan = .replaced(try planOfChange(epoch))
        case .split:
            plan = .kept(isPaused: false)
            splits = try varint(in: 1...Slot.count, "number of splits")
        }
        var steps: [TopologyChange.Step: [PartitionID]] = [:]
        for step in TopologyChange.Step.allCases {
            let partitions = try ranges()
            if !partitions.isEmpty { steps[step] = partitions }
        }
        let count = try count(of: "list of assignments", size: 6, limit: Slot.count)
        var replaced: [TopologyChange.Replacement] = []
        replaced.reserveCapacity(count)
        for _ in 0..<count {
            let partition = try partition()
            if let last = replaced.last, partition <= last.partition { throw .invalid("order of assignments") }
            replaced.append(.init(partition: partition, assignment: try assignmentOfChange(epoch)))
        }
        let metadataQuorum = try boolean("presence of a metadata quorum") ? try assignmentOfChange(epoch) : nil
        return TopologyChange(
            base: base, epoch: epoch, membership: membership, plan: plan, splits: splits, steps: steps,
            replaced: replaced,
            metadataQuorum: metadataQuorum)
    }

    private mutating func membership() throws(WireError) -> TopologyChange.Membership {
        let members = try members()
        let lastNumber = try node()
        guard lastNumber >= members.last?.number ?? NodeNumber(0) else { throw .invalid("last number") }
        var roll = Roll(members)
        let removed = try removed(&roll, lastNumber)
        return TopologyChange.Membership(members: members, lastNumber: lastNumber, removed: removed)
    }

    private mutating func ranges() throws(WireError) -> [PartitionID] {
        let count = try count(of: "list of partitions", size: 2, limit: Slot.count)
        var partitions: [PartitionID] = []
        var free = 0
        for _ in 0..<count {
            guard free <= Slot.count else { throw .invalid("list of partitions") }
            let first: Int = try varint(in: 0...(Slot.count - free), "list of partitions") + free
            let length: Int = try varint(in: 1...(Slot.count + 1 - first), "list of partitions")
            for number in first..<first + length { partitions.append(PartitionID(UInt16(clamping: number))) }
            free = first + length + 1
        }
        return partitions
    }
}
