import KVCore

// Neighbouring partitions that are alike are written once, as a run. What a run consists of is written where it is used
// first; later runs of the same refer to it by number. So a topology's length is about that of its list of runs.

/// The distinct values of a list of runs, in the order in which they are used first.
private struct RunTable<Value: Hashable> {
    private var numbers: [Value: Int] = [:]

    /// The number of a value; nil where it is new, and has been given the next number.
    mutating func number(of value: Value) -> Int? {
        if let number = numbers[value] { return number }
        numbers[value] = numbers.count + 1
        return nil
    }
}

extension ByteWriter {
    /// Assignments of all partitions of a topology of this epoch.
    mutating func runs(_ assignments: Assignments, at epoch: Epoch) {
        var table = RunTable<Assignment>()
        var index = 0
        while index < assignments.count {
            let assignment = assignments[index]
            var end = index + 1
            while end < assignments.count, assignments[end] == assignment { end += 1 }
            varint(count: end - index)
            if let number = table.number(of: assignment) {
                varint(count: number)
            } else {
                varint(count: 0)
                difference(assignment, to: epoch)
            }
            index = end
        }
    }

    /// An assignment, with epochs as differences, which are small.
    private mutating func difference(_ assignment: Assignment, to epoch: Epoch) {
        nodes(assignment.replicas)
        nodes(assignment.next ?? [])
        varint(epoch &- assignment.changed)
        for since in assignment.since { varint(assignment.changed &- since) }
    }

    mutating func runs(_ targets: [ChangePlan.Target]) {
        var runs: [Range<Int>] = []
        for (index, target) in targets.enumerated() {
            if let run = runs.last, index > 0, targets[index - 1].replicas == target.replicas,
                targets[index - 1].partition.raw + 1 == target.partition.raw
            {
                runs[runs.count - 1] = run.lowerBound..<index + 1
            } else {
                runs.append(index..<index + 1)
            }
        }
        varint(count: runs.count)
        var table = RunTable<[NodeNumber]>()
        var free = 0
        for run in runs {
            let first = targets[run.lowerBound]
            varint(count: Int(first.partition.raw) - free)
            varint(count: run.count)
            if let number = table.number(of: first.replicas) {
                varint(count: number)
            } else {
                varint(count: 0)
                nodes(first.replicas)
            }
            free = Int(first.partition.raw) + run.count
        }
    }
}

extension ByteReader {
    mutating func runs(
        of partitions: Int, _ roll: inout Roll, _ epoch: Epoch, limit: Int
    ) throws(WireError) -> [Assignment] {
        var assignments: [Assignment] = []
        assignments.reserveCapacity(partitions)
        var known: [Assignment] = []
        var distinct: Set<Assignment> = []
        while assignments.count < partitions {
            let count: Int = try varint(in: 1...(partitions - assignments.count), "length of a run")
            let number: Int = try varint(in: 0...known.count, "number of an assignment")
            if number == 0 {
                let new = try difference(&roll, epoch, limit: limit)
                guard distinct.insert(new).inserted else { throw .invalid("number of an assignment") }
                known.append(new)
            }
            let assignment = known[number == 0 ? known.count - 1 : number - 1]
            if let last = assignments.last, last == assignment { throw .invalid("length of a run") }
            assignments.append(contentsOf: repeatElement(assignment, count: count))
        }
        return assignments
    }

    private mutating func difference(
        _ roll: inout Roll, _ epoch: Epoch, limit: Int
    ) throws(WireError) -> Assignment {
        let (current, next, members) = try replicaSets(&roll, limit: limit)
        let changed = epoch - (try varint(in: 0...(epoch - 1), "epoch of a change"))
        var since: [Epoch] = []
        for _ in 0..<members {
            since.append(changed - (try varint(in: 0...(changed - 1), "epoch of membership")))
        }
        return Assignment(replicas: current, next: next.isEmpty ? nil : next, changed: changed, since: since)
    }

    /// - Parameter nodes: reads a set of nodes.
    mutating func targetRuns(
        partitions: Int, nodes: (inout ByteReader) throws(WireError) -> [NodeNumber]
    ) throws(WireError) -> [ChangePlan.Target] {
        let count = try count(of: "list of targets", size: 3, limit: partitions)
        var targets: [ChangePlan.Target] = []
        var known: [[NodeNumber]] = []
        var distinct: Set<[NodeNumber]> = []
        var free = 0
        for _ in 0..<count {
            guard free < partitions else { throw .invalid("target") }
            let gap: Int = try varint(in: 0...(partitions - 1 - free), "target")
            let length: Int = try varint(in: 1...(partitions - free - gap), "target")
            let number: Int = try varint(in: 0...known.count, "target")
            if number == 0 {
                let new = try nodes(&self)
                guard !new.isEmpty, distinct.insert(new).inserted else { throw .invalid("target") }
                known.append(new)
            }
            let replicas = known[number == 0 ? known.count - 1 : number - 1]
            if gap == 0, let last = targets.last, last.replicas == replicas { throw .invalid("target") }
            for partition in free + gap..<free + gap + length {
                targets.append(.init(partition: PartitionID(UInt16(clamping: partition)), replicas: replicas))
            }
            free += gap + length
        }
        return targets
    }
}
