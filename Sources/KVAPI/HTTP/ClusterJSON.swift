import KVCore
import NIOCore

extension JSONWriter {
    mutating func ring(_ view: ClusterView) {
        let names = Names(view.topology)
        object { json in
            json.settings(view.topology)
            json.nodes(view)
            json.name("assignments")
            json.array { json in
                for (index, assignment) in view.topology.assignments.enumerated() {
                    let partition = PartitionID(UInt16(truncatingIfNeeded: index))
                    let slots = partition.slots(partitions: view.topology.settings.partitions)
                    json.object { json in
                        json.name("partition")
                        json.number(index)
                        json.name("first_slot")
                        json.number(slots.lowerBound.raw)
                        json.name("last_slot")
                        json.number(slots.upperBound.raw)
                        json.place(assignment, view.leader(of: index), names)
                    }
                }
            }
        }
    }

    mutating func nodes(of view: ClusterView) {
        object { $0.nodes(view) }
    }

    mutating func topology(_ topology: Topology) {
        let names = Names(topology)
        object { json in
            json.settings(topology)
            json.name("cluster_id")
            json.string(topology.clusterID.description)
            json.name("members")
            json.array { json in
                for member in topology.members {
                    json.object { json in
                        json.name("number")
                        json.number(member.number.raw)
                        json.identity(member)
                    }
                }
            }
            json.name("assignments")
            json.array { json in
                for (index, assignment) in topology.assignments.enumerated() {
                    json.object { json in
                        json.name("partition")
                        json.number(index)
                        json.replicas(assignment, names)
                        json.name("changed")
                        json.number(assignment.changed)
                    }
                }
            }
        }
    }

    /// Where one key lives.
    mutating func place(of key: Key, in view: ClusterView) {
        let slot = key.slot
        let partition = Int(PartitionID(slot: slot, partitions: view.topology.settings.partitions).raw)
        object { json in
            json.member("key", key.bytes, encoding: "encoding")
            json.name("slot")
            json.number(slot.raw)
            json.name("partition")
            json.number(partition)
            guard view.topology.assignments.indices.contains(partition) else { return }
            json.place(view.topology.assignments[partition], view.leader(of: partition), Names(view.topology))
        }
    }

    private mutating func settings(_ topology: Topology) {
        name("cluster")
        string(topology.settings.name)
        name("epoch")
        number(topology.epoch)
        name("partitions")
        number(topology.settings.partitions)
        name("replicas")
        number(topology.settings.replicas)
    }

    private mutating func nodes(_ view: ClusterView) {
        let shares = Shares(view)
        name("nodes")
        array { json in
            for node in view.nodes {
                guard let member = view.topology.member(node.number) else { continue }
                json.object { json in
                    json.identity(member)
                    json.name("state")
                    json.state(of: member, node.state)
                    json.name("replicas")
                    json.number(shares.replicas[node.number] ?? 0)
                    json.name("leaders")
                    json.number(shares.leaders[node.number] ?? 0)
                    json.name("keys")
                    if let usage = node.usage { json.number(usage.keys) } else { json.null() }
                    json.name("bytes")
                    if let usage = node.usage { json.number(usage.bytes) } else { json.null() }
                }
            }
        }
    }

    private mutating func identity(_ member: Member) {
        name("id")
        string(member.id)
        name("zone")
        string(member.zone)
        name("weight")
        number(member.weight)
        name("client")
        string(member.client.description)
        name("peer")
        string(member.peer.description)
    }

    private mutating func place(_ assignment: Assignment, _ leader: NodeNumber?, _ names: Names) {
        replicas(assignment, names)
        name("leader")
        if let leader { string(names[leader]) } else { null() }
    }

    private mutating func replicas(_ assignment: Assignment, _ names: Names) {
        name("replicas")
        array { json in for node in assignment.replicas { json.string(names[node]) } }
        guard let next = assignment.next else { return }
        name("next")
        array { json in for node in next { json.string(names[node]) } }
    }
}

/// Members' ids by their numbers.
private struct Names {
    private let names: [NodeNumber: String]

    init(_ topology: Topology) {
        names = Dictionary(topology.members.map { ($0.number, $0.id) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(number: NodeNumber) -> String { names[number] ?? number.description }
}

/// How many partitions each node holds and leads.
private struct Shares {
    var replicas: [NodeNumber: Int] = [:]
    var leaders: [NodeNumber: Int] = [:]

    init(_ view: ClusterView) {
        for assignment in view.topology.assignments {
            for node in assignment.replicas { replicas[node, default: 0] += 1 }
        }
        for case let leader? in view.leaders { leaders[leader, default: 0] += 1 }
    }
}

extension ClusterView {
    fileprivate func leader(of partition: Int) -> NodeNumber? {
        leaders.indices.contains(partition) ? leaders[partition] : nil
    }
}
