import KVCore

/// The members, for checking sets of nodes: each node must be a member and may be in a set only once.
struct Roll {
    /// By number: 0 for a node that is not a member, otherwise the last set that it was in.
    private var marks: [UInt32]
    private var set: UInt32 = 1

    init(_ members: [Member]) {
        marks = .init(repeating: 0, count: 1 + Int(members.last?.number.raw ?? 0))
        for member in members { marks[Int(member.number.raw)] = 1 }
    }

    /// - Returns: the previous set.
    mutating func beginSet() -> UInt32 {
        set += 1
        return set - 1
    }

    /// Returns the last set that the member was in; nil for a node that is not a member or is in the present set
    /// already.
    mutating func mark(_ node: NodeNumber) -> UInt32? {
        let index = Int(node.raw)
        guard index < marks.count, marks[index] != 0, marks[index] != set else { return nil }
        defer { marks[index] = set }
        return marks[index]
    }
}

extension ByteReader {
    /// Reads a topology; see `TopologyCodec.decode`.
    mutating func topology() throws(WireError) -> Topology {
        let format = try byte()
        guard (TopologyCodec.formatWithoutRuns...TopologyCodec.formatWithSplits).contains(format) else {
            throw .formatVersion(format)
        }
        let clusterID = try uuid()
        let epoch: Epoch = try varint(in: 1...UInt64.max, "epoch")
        let name = try name("cluster name")
        let partitions: Int = try varint(in: 1...16384, "number of partitions")
        guard partitions & (partitions - 1) == 0 else { throw .invalid("number of partitions") }
        let replicas: Int = try varint(in: 1...Int(UInt16.max), "number of replicas")
        let members = try members()
        let lastNumber = try node()
        guard lastNumber >= members.last?.number ?? NodeNumber(0) else { throw .invalid("last number") }
        var roll = Roll(members)
        let removed = try removed(&roll, lastNumber)
        var assignments: [Assignment] = []
        if format == TopologyCodec.formatWithoutRuns {
            assignments.reserveCapacity(min(partitions, remaining / 5))
            for _ in 0..<partitions { assignments.append(try assignment(&roll, epoch, limit: members.count)) }
        } else {
            // A topology without splits has the other format: each has one encoding.
            let count: Int =
                format == TopologyCodec.formatWithSplits && partitions < Slot.count
                ? try varint(in: (partitions + 1)...Slot.count, "number of partitions") : partitions
            assignments = try runs(of: count, &roll, epoch, limit: members.count)
        }
        let limit = assignments.count == partitions ? partitions : assignments.count + 1
        let metadataQuorum = try assignment(&roll, epoch, limit: min(members.count, Topology.maximumMetadataQuorum))
        let plan = try boolean("presence of a plan") ? try plan(&roll, epoch, format, partitions: limit) : nil
        return Topology(
            clusterID: clusterID, epoch: epoch,
            settings: ClusterSettings(name: name, partitions: partitions, replicas: replicas), members: members,
            lastNumber: lastNumber, removed: removed, assignments: assignments, metadataQuorum: metadataQuorum,
            plan: plan)
    }

    mutating func members() throws(WireError) -> [Member] {
        let count = try count(of: "list of members", size: 12)
        var members: [Member] = []
        members.reserveCapacity(count)
        for _ in 0..<count {
            // 0 is the number of pending nodes.
            let number = NodeNumber(try varint(in: 1...UInt16.max, "number of a member"))
            if let last = members.last, number <= last.number { throw .invalid("order of members") }
            members.append(
                Member(
                    number: number, id: try name("node id"), client: try address(), peer: try address(),
                    zone: try name("zone"), weight: try varint(in: 1...Int.max, "weight"),
                    store: try optionalUUID("a store"), status: try code(Member.Status.self, "standing")))
        }
        return members
    }

    mutating func removed(
        _ roll: inout Roll, _ lastNumber: NodeNumber
    ) throws(WireError) -> [RemovedMember] {
        let count = try count(of: "list of removed members", size: 3)
        var removed: [RemovedMember] = []
        removed.reserveCapacity(count)
        _ = roll.beginSet()
        for _ in 0..<count {
            let number = NodeNumber(try varint(in: 1...UInt16.max, "number of a removed member"))
            if let last = removed.last, number <= last.number { throw .invalid("order of removed members") }
            guard number <= lastNumber else { throw .invalid("last number") }
            guard roll.mark(number) == nil else { throw .invalid("removed member") }
            removed.append(
                RemovedMember(number: number, id: try name("node id"), store: try optionalUUID("a store")))
        }
        return removed
    }

    private mutating func assignment(
        _ roll: inout Roll, _ epoch: Epoch, limit: Int
    ) throws(WireError) -> Assignment {
        let (current, next, members) = try replicaSets(&roll, limit: limit)
        let changed = try varint(in: 1...epoch, "epoch of a change")
        let count = try count(of: "list of epochs of membership", size: 1)
        guard count == members else { throw .invalid("count of epochs of membership") }
        var since: [Epoch] = []
        since.reserveCapacity(count)
        for _ in 0..<count { since.append(try varint(in: 1...changed, "epoch of membership")) }
        return Assignment(replicas: current, next: next.isEmpty ? nil : next, changed: changed, since: since)
    }

    /// Reads a replica set and the next one, which is empty unless the partition moves. Also returns the number of
    /// nodes that are in either.
    mutating func replicaSets(
        _ roll: inout Roll, limit: Int
    ) throws(WireError) -> (current: [NodeNumber], next: [NodeNumber], members: Int) {
        let (current, _) = try nodes(&roll, "replica set", limit: limit)
        guard !current.isEmpty else { throw .invalid("replica set") }
        let (next, shared) = try nodes(&roll, "next replica set", limit: limit)
        return (current, next, current.count + next.count - shared)
    }

    /// Reads a set of nodes. Also returns how many of them were in the previous set.
    mutating func nodes(
        _ roll: inout Roll, _ field: String, limit: Int
    ) throws(WireError) -> ([NodeNumber], shared: Int) {
        let count = try count(of: field, size: 1, limit: limit)
        var nodes: [NodeNumber] = []
        nodes.reserveCapacity(count)
        var shared = 0
        let before = roll.beginSet()
        for _ in 0..<count {
            let node = try node()
            guard let mark = roll.mark(node) else { throw .invalid(field) }
            if mark == before { shared += 1 }
            nodes.append(node)
        }
        return (nodes, shared)
    }

    private mutating func plan(
        _ roll: inout Roll, _ epoch: Epoch, _ format: UInt8, partitions: Int
    ) throws(WireError) -> ChangePlan {
        try plan(epoch) { (reader: inout ByteReader) throws(WireError) in
            if format == TopologyCodec.formatWithoutRuns { return try reader.targets(&roll, partitions: partitions) }
            return try reader.targetRuns(partitions: partitions) { (reader: inout ByteReader) throws(WireError) in
                try reader.nodes(&roll, "target", limit: .max).0
            }
        }
    }

    /// Reads a plan whose nodes need not be members: it is checked where it is used.
    mutating func planOfChange(_ epoch: Epoch) throws(WireError) -> ChangePlan {
        try plan(epoch) { (reader: inout ByteReader) throws(WireError) in
            try reader.targetRuns(partitions: Slot.count + 1) { (reader: inout ByteReader) throws(WireError) in
                try reader.nodes("target")
            }
        }
    }

    private mutating func plan(
        _ epoch: Epoch, targets: (inout ByteReader) throws(WireError) -> [ChangePlan.Target]
    ) throws(WireError) -> ChangePlan {
        let id: Epoch = try varint(in: 1...epoch, "epoch of a plan")
        let reason = try code(ChangePlan.Reason.self, "reason of a plan")
        let splitTo: Int = reason == .split ? try varint(in: 1...Slot.count, "number of partitions") : 0
        return ChangePlan(
            id: id, reason: reason, isPaused: try boolean("pause"),
            isCancelling: try boolean("cancellation"), targets: try targets(&self),
            moves: try varint(in: 0...Int.max, "count of moves"),
            minimum: try varint(in: 0...Int.max, "count of moves"), bytes: try varint(), splitTo: splitTo)
    }

    private mutating func targets(
        _ roll: inout Roll, partitions: Int
    ) throws(WireError) -> [ChangePlan.Target] {
        let count = try count(of: "list of targets", size: 3, limit: partitions)
        var targets: [ChangePlan.Target] = []
        targets.reserveCapacity(count)
        for _ in 0..<count {
            let partition = try partition()
            guard Int(partition.raw) < partitions else { throw .invalid("target") }
            if let last = targets.last, partition <= last.partition { throw .invalid("order of targets") }
            let (replicas, _) = try nodes(&roll, "target", limit: .max)
            guard !replicas.isEmpty else { throw .invalid("target") }
            targets.append(ChangePlan.Target(partition: partition, replicas: replicas))
        }
        return targets
    }

    /// Reads an assignment whose nodes need not be members: it is checked where it is used.
    mutating func assignmentOfChange(_ epoch: Epoch) throws(WireError) -> Assignment {
        let current = try nodes("replica set")
        guard !current.isEmpty else { throw .invalid("replica set") }
        let next = try nodes("next replica set")
        let changed = try varint(in: 1...epoch, "epoch of a change")
        let count = try count(of: "list of epochs of membership", size: 1)
        var since: [Epoch] = []
        since.reserveCapacity(count)
        for _ in 0..<count { since.append(try varint(in: 1...changed, "epoch of membership")) }
        return Assignment(replicas: current, next: next.isEmpty ? nil : next, changed: changed, since: since)
    }
}
