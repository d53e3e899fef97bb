import KVCore

/// Encodes topologies for disk and wire: docs/wire-format.md. The encoding has no checksum; its container has one.
package enum TopologyCodec {
    /// The first byte: the version of the layout. A change takes the next number.
    package static let format: UInt8 = 2
    /// The most bytes of a name, a zone or a host.
    package static let maximumText = 255

    package static func encode(_ topology: Topology) -> [UInt8] {
        let bound = topology.encodedBound
        return [UInt8](unsafeUninitializedCapacity: bound) { space, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(space))
            writer.topology(topology)
            count = writer.count
        }
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
        for member in members {
            bound += 80 + member.id.utf8.count + member.zone.utf8.count
            bound += member.client.host.utf8.count + member.peer.host.utf8.count
        }
        for member in removed { bound += 40 + member.id.utf8.count }
        for assignment in assignments { bound += assignment.encodedBound }
        bound += metadataQuorum.encodedBound
        for target in plan?.targets ?? [] { bound += 16 + 3 * target.replicas.count }
        return bound
    }
}

extension Assignment {
    fileprivate var encodedBound: Int {
        40 + 3 * (replicas.count + (next?.count ?? 0)) + ByteWriter.varintBound * since.count
    }
}

extension ByteWriter {
    mutating func topology(_ topology: Topology) {
        byte(TopologyCodec.format)
        uuid(topology.clusterID)
        varint(topology.epoch)
        string(topology.settings.name)
        varint(count: topology.settings.partitions)
        varint(count: topology.settings.replicas)
        varint(count: topology.members.count)
        for each in topology.members { member(each) }
        node(topology.lastNumber)
        varint(count: topology.removed.count)
        for gone in topology.removed {
            node(gone.number)
            string(gone.id)
            optionalUUID(gone.store)
        }
        // There are as many assignments as partitions, so their count is not repeated.
        for each in topology.assignments { assignment(each) }
        assignment(topology.metadataQuorum)
        byte(topology.plan == nil ? 0 : 1)
        if let change = topology.plan { plan(change) }
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

    private mutating func assignment(_ assignment: Assignment) {
        nodes(assignment.replicas)
        nodes(assignment.next ?? [])
        varint(assignment.changed)
        varint(count: assignment.since.count)
        for epoch in assignment.since { varint(epoch) }
    }

    private mutating func plan(_ plan: ChangePlan) {
        varint(plan.id)
        code(plan.reason)
        byte(plan.isPaused ? 1 : 0)
        byte(plan.isCancelling ? 1 : 0)
        varint(count: plan.targets.count)
        for target in plan.targets {
            partition(target.partition)
            nodes(target.replicas)
        }
        varint(count: plan.moves)
        varint(count: plan.minimum)
        varint(plan.bytes)
    }
}
