import KVCore

// Neighbouring partitions that are alike are written once, as a run. What a run consists of is written where it is used
// first; later runs of the same refer to it by number. So a topology's length is about that of its list of runs.

/// The distinct values of a list of runs that is being written, in the order in which they are used first.
private struct RunTable<Value: Hashable> {
    private var numbers: [Value: Int] = [:]

    /// The number of a value; nil where it is new, and has been given the next number.
    mutating func number(of value: Value) -> Int? {
        if let number = numbers[value] { return number }
        numbers[value] = numbers.count + 1
        return nil
    }
}

/// The same of a list that is being read.
private struct ReadRunTable<Value: Hashable> {
    private var values: [Value] = []
    private var distinct: Set<Value> = []
    private let field: String

    /// - Parameter field: what errors name.
    init(_ field: String) { self.field = field }

    /// Reads the number of a value and, where it is new, the value.
    /// - Throws: where a value comes as a new one twice: one list has one encoding
    mutating func next(
        _ reader: inout ByteReader, new: (inout ByteReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        let number: Int = try reader.varint(in: 0...values.count, field)
        guard number == 0 else { return values[number - 1] }
        let value = try new(&reader)
        guard distinct.insert(value).inserted else { throw .invalid(field) }
        values.append(value)
        return value
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
        var table = ReadRunTable<Assignment>("number of an assignment")
        while assignments.count < partitions {
            let count: Int = try varint(in: 1...(partitions - assignments.count), "length of a run")
            let assignment = try table.next(&self) { reader throws(WireError) in
                try reader.difference(&roll, epoch, limit: limit)
            }
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
        var table = ReadRunTable<[NodeNumber]>("target")
        var free = 0
        for _ in 0..<count {
            guard free < partitions else { throw .invalid("target") }
            let gap: Int = try varint(in: 0...(partitions - 1 - free), "target")
            let length: Int = try varint(in: 1...(partitions - free - gap), "target")
            let replicas = try table.next(&self) { reader throws(WireError) in
                let new = try nodes(&reader)
                guard !new.isEmpty else { throw .invalid("target") }
                return new
            }
            if gap == 0, let last = targets.last, last.replicas == replicas { throw .invalid("target") }
            for partition in free + gap..<free + gap + length {
                targets.append(.init(partition: PartitionID(UInt16(clamping: partition)), replicas: replicas))
            }
            free += gap + length
        }
        return targets
    }
}
