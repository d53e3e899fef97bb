import KVCore

/// Encodes topologies for disk and wire: docs/wire-format.md. The encoding has no checksum; its container has one.
package enum TopologyCodec {
    /// The first byte: the version of the layout. A change takes the next number.
    package static let format: UInt8 = 3
    /// The format before it, in which every partition is written for itself. Nodes of earlier versions know no other.
    package static let formatWithoutRuns: UInt8 = 2
    /// The format of a topology in which partitions have been split. Others are written without, so that a version that
    /// does not know of splits can read them.
    package static let formatWithSplits: UInt8 = 4
    /// The most bytes of a name, a zone or a host.
    package static let maximumText = 255

    /// The format that a topology is written in for nodes of this version.
    package static func format(of topology: Topology) -> UInt8 {
        topology.assignments.count > topology.settings.partitions ? formatWithSplits : format
    }

    /// - Parameter format: `format(of:)` if nil, and whatever it is if partitions have been split: earlier formats
    ///   cannot say how many there are, and a topology that nobody can read again must not be written.
    package static func encode(_ topology: Topology, format: UInt8? = nil) -> [UInt8] {
        let own = self.format(of: topology)
        let format = own == formatWithSplits ? own : format ?? own
        let bytes = [UInt8](unsafeUninitializedCapacity: topology.encodedBound) { space, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(space))
            writer.topology(topology, format)
            count = writer.count
        }
        // The bound is of a topology without runs, and much more than most take.
        return Array(bytes[...])
    }

    /// Throws for bytes that are not a topology, and for topologies that contradict themselves: members out of order,
    /// replicas that are not members, a wrong number of partitions, an epoch later than the topology's.
    package static func decode(_ bytes: [UInt8]) throws(WireError) -> Topology {
        let result: Result<Topology, WireError> = bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(WireError) {
                let topology = try reader.topology()
                try reader.finish()
                return .success(topology)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

extension Topology {
    /// An upper bound of the encoding's size.
    var encodedBound: Int {
        var bound = 160 + settings.name.utf8.count
        for member in members { bound += member.encodedBound }
        for member in removed { bound += member.encodedBound }
        for assignment in assignments { bound += assignment.encodedBound }
        bound += metadataQuorum.encodedBound
        return bound + (plan?.encodedBound ?? 0)
    }
}

extension Member {
    var encodedBound: Int {
        80 + id.utf8.count + zone.utf8.count + client.host.utf8.count + peer.host.utf8.count
    }
}

extension RemovedMember {
    var encodedBound: Int { 40 + id.utf8.count }
}

extension Assignment {
    var encodedBound: Int {
        48 + 3 * (replicas.count + (next?.count ?? 0)) + ByteWriter.varintBound * since.count
    }
}

extension ChangePlan {
    var encodedBound: Int { targets.reduce(80) { $0 + 20 + 3 * $1.replicas.count } }
}

extension ByteWriter {
    mutating func topology(_ topology: Topology, _ format: UInt8) {
        byte(format)
        uuid(topology.clusterID)
        varint(topology.epoch)
        string(topology.settings.name)
        varint(count: topology.settings.partitions)
        varint(count: topology.settings.replicas)
        members(topology.members)
        node(topology.lastNumber)
        removed(topology.removed)
        // Without splits there are as many assignments as partitions, so their count is not repeated.
        if format == TopologyCodec.formatWithoutRuns {
            for each in topology.assignments { assignment(each) }
        } else {
            if format == TopologyCodec.formatWithSplits { varint(count: topology.assignments.count) }
            runs(topology.assignments, at: topology.epoch)
        }
        assignment(topology.metadataQuorum)
        byte(topology.plan == nil ? 0 : 1)
        if let change = topology.plan { plan(change, format) }
    }

    mutating func members(_ members: [Member]) {
        varint(count: members.count)
        for each in members { member(each) }
    }

    mutating func removed(_ removed: [RemovedMember]) {
        varint(count: removed.count)
        for gone in removed {
            node(gone.number)
            string(gone.id)
            optionalUUID(gone.store)
        }
    }

    private mutating func member(_ member: Member) {
        node(member.number)
        string(member.id)
        address(member.client)
        address(member.peer)
        string(member.zone)
        varint(count: member.weight)
        optionalUUID(member.store)
        code(member.status)
    }

    mutating func assignment(_ assignment: Assignment) {
        nodes(assignment.replicas)
        nodes(assignment.next ?? [])
        varint(assignment.changed)
        varint(count: assignment.since.count)
        for epoch in assignment.since { varint(epoch) }
    }

    mutating func plan(_ plan: ChangePlan, _ format: UInt8) {
        varint(plan.id)
        code(plan.reason)
        if plan.reason == .split { varint(count: plan.splitTo) }
        byte(plan.isPaused ? 1 : 0)
        byte(plan.isCancelling ? 1 : 0)
        if format == TopologyCodec.formatWithoutRuns {
            varint(count: plan.targets.count)
            for target in plan.targets {
                partition(target.partition)
                nodes(target.replicas)
            }
        } else {
            runs(plan.targets)
        }
        varint(count: plan.moves)
        varint(count: plan.minimum)
        varint(plan.bytes)
    }
}
