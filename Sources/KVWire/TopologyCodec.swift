import KVCore

/// A topology as bytes, for disk and wire: docs/wire-format.md. It bears no checksum; what holds it does.
public enum TopologyCodec {
    /// The first byte. A change of the layout takes the next number.
    public static let format: UInt8 = 1
    /// Bytes that a name, a zone or a host may have.
    public static let maximumText = 255

    public static func encode(_ topology: Topology) -> [UInt8] {
        let bound = topology.encodedBound
        return [UInt8](unsafeUninitializedCapacity: bound) { space, count in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(space))
            writer.byte(format)
            writer.topology(topology)
            count = writer.count
        }
    }

    /// Refuses bytes that are no topology, and topologies that contradict themselves: members out of order, replicas that
    /// are not members, a wrong number of partitions.
    public static func decode(_ bytes: [UInt8]) throws(WireError) -> Topology {
        let result: Result<Topology, WireError> = bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            do throws(WireError) {
                let found = try reader.byte()
                guard found == format else { throw .formatVersion(found) }
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
    fileprivate var encodedBound: Int {
        var bound = 128 + settings.name.utf8.count
        for member in members {
            bound += 80 + member.id.utf8.count + member.zone.utf8.count
            bound += member.client.host.utf8.count + member.peer.host.utf8.count
        }
        for assignment in assignments {
            bound += 40 + 3 * (assignment.replicas.count + (assignment.next?.count ?? 0))
        }
        return bound
    }
}

extension ByteWriter {
    fileprivate mutating func topology(_ topology: Topology) {
        uuid(topology.clusterID)
        varint(topology.epoch)
        string(topology.settings.name)
        varint(count: topology.settings.partitions)
        varint(count: topology.settings.replicas)
        varint(count: topology.members.count)
        for member in topology.members {
            varint(UInt64(member.number.raw))
            string(member.id)
            address(member.client)
            address(member.peer)
            string(member.zone)
            varint(count: member.weight)
        }
        // As many assignments as partitions, so their count is not repeated.
        for assignment in topology.assignments {
            nodes(assignment.replicas)
            nodes(assignment.next ?? [])
            varint(assignment.changed)
        }
    }

    private mutating func address(_ address: Address) {
        string(address.host)
        fixed(UInt16(clamping: address.port))
    }

    private mutating func nodes(_ nodes: [NodeNumber]) {
        varint(count: nodes.count)
        for node in nodes { varint(UInt64(node.raw)) }
    }
}

extension ByteReader {
    fileprivate mutating func topology() throws(WireError) -> Topology {
        let clusterID = try uuid()
        let epoch = try varint()
        let name = try string("cluster name", limit: TopologyCodec.maximumText)
        let partitions: Int = try varint(in: 1...16384, "number of partitions")
        guard partitions & (partitions - 1) == 0 else { throw .invalid("number of partitions") }
        let replicas: Int = try varint(in: 1...Int(UInt16.max), "number of replicas")
        let members = try members()
        let numbers = Set(members.map(\.number))
        var assignments: [Assignment] = []
        assignments.reserveCapacity(min(partitions, remaining / 4))
        for _ in 0..<partitions {
            let current = try nodes(of: numbers, "replica set")
            let next = try nodes(of: numbers, "next replica set")
            guard !current.isEmpty else { throw .invalid("replica set") }
            assignments.append(
                Assignment(replicas: current, next: next.isEmpty ? nil : next, changed: try varint()))
        }
        return Topology(
            clusterID: clusterID, epoch: epoch,
            settings: ClusterSettings(name: name, partitions: partitions, replicas: replicas), members: members,
            assignments: assignments)
    }

    private mutating func members() throws(WireError) -> [Member] {
        let count = try count(of: "list of members", size: 10)
        var members: [Member] = []
        members.reserveCapacity(count)
        for _ in 0..<count {
            let number = try node()
            if let last = members.last, number <= last.number { throw .invalid("order of members") }
            members.append(
                Member(
                    number: number, id: try string("node id", limit: TopologyCodec.maximumText), client: try address(),
                    peer: try address(), zone: try string("zone", limit: TopologyCodec.maximumText),
                    weight: try varint(in: 1...Int.max, "weight")))
        }
        return members
    }

    private mutating func address() throws(WireError) -> Address {
        let host = try string("host", limit: TopologyCodec.maximumText)
        return Address(host: host, port: Int(try fixed(UInt16.self)))
    }

    private mutating func nodes(of members: Set<NodeNumber>, _ field: String) throws(WireError) -> [NodeNumber] {
        let count = try count(of: field, size: 1, limit: members.count)
        var nodes: [NodeNumber] = []
        nodes.reserveCapacity(count)
        for _ in 0..<count {
            let node = try node()
            guard members.contains(node), !nodes.contains(node) else { throw .invalid(field) }
            nodes.append(node)
        }
        return nodes
    }
}
