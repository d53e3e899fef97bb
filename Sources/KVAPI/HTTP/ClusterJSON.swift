import KVCore
import NIOCore

extension JSONWriter {
    mutating func ring(_ view: ClusterView) {
        let names = NodeNames(view.topology)
        object { json in
            json.settings(view.topology)
            json.members(of: view)
            json.plan(view.plan, names)
            json.name("assignments")
            json.array { json in
                for (slots, place) in view.placesBySlots {
                    json.object { json in
                        json.name("partition")
                        json.number(view.topology.slots.partition(at: place).raw)
                        json.name("first_slot")
                        json.number(slots.lowerBound.raw)
                        json.name("last_slot")
                        json.number(slots.upperBound.raw)
                        json.place(view.topology.assignments[place], view.leader(of: place), names)
                    }
                }
            }
        }
    }

    mutating func nodes(of view: ClusterView) {
        object { json in
            json.members(of: view)
            json.plan(view.plan, NodeNames(view.topology))
        }
    }

    mutating func topology(_ topology: Topology) {
        let names = NodeNames(topology)
        object { json in
            json.settings(topology)
            json.name("partitions_at_creation")
            json.number(topology.settings.partitions)
            json.name("cluster_id")
            json.string(topology.clusterID.description)
            json.name("members")
            json.array { json in
                for member in topology.members {
                    json.object { json in
                        json.identity(member)
                        json.name("standing")
                        json.status(of: member)
                        json.name("store")
                        if let store = member.store { json.string(store.description) } else { json.null() }
                    }
                }
            }
            json.name("removed")
            json.array { json in
                for member in topology.removed {
                    json.object { json in
                        json.name("id")
                        json.string(member.id)
                        json.name("number")
                        json.number(member.number.raw)
                    }
                }
            }
            json.name("council")
            json.object { json in
                json.replicas(topology.metadataQuorum, names)
                json.name("changed")
                json.number(topology.metadataQuorum.changed)
            }
            json.agreed(topology.plan, names)
            json.name("assignments")
            json.array { json in
                for (place, assignment) in topology.assignments.enumerated() {
                    json.object { json in
                        json.name("partition")
                        json.number(topology.slots.partition(at: place).raw)
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
        let partition = view.topology.slots.partition(of: slot)
        object { json in
            json.member("key", key.bytes, encoding: "encoding")
            json.name("slot")
            json.number(slot.raw)
            json.name("partition")
            json.number(partition.raw)
            guard let place = view.topology.slots.place(of: partition) else { return }
            json.place(view.topology.assignments[place], view.leader(of: place), NodeNames(view.topology))
        }
    }

    private mutating func settings(_ topology: Topology) {
        name("cluster")
        string(topology.settings.name)
        name("epoch")
        number(topology.epoch)
        name("partitions")
        number(topology.assignments.count)
        name("replicas")
        number(topology.settings.replicas)
    }

    /// A plan as the topology has it: what it is to come to, not how far it is.
    private mutating func agreed(_ plan: ChangePlan?, _ names: NodeNames) {
        name("plan")
        guard let plan else { return null() }
        object { json in
            json.name("id")
            json.number(plan.id)
            json.name("reason")
            json.reason(plan.reason)
            json.flag("paused", plan.isPaused)
            json.flag("cancelling", plan.isCancelling)
            json.name("targets")
            json.array { json in
                for target in plan.targets {
                    json.object { json in
                        json.name("partition")
                        json.number(target.partition.raw)
                        json.strings("replicas", target.replicas.map { names[$0] })
                    }
                }
            }
        }
    }

    /// `coordinator`, `nodes` and `waiting`.
    private mutating func members(of view: ClusterView) {
        name("coordinator")
        if let coordinator = view.coordinator {
            string(NodeNames(view.topology)[coordinator])
        } else {
            null()
        }
        nodes(view)
        name("waiting")
        array { json in
            for pendingNode in view.pendingNodes {
                json.object { json in
                    json.name("id")
                    json.string(pendingNode.id)
                    json.name("state")
                    json.string("waiting")
                    json.place(zone: pendingNode.zone, pendingNode.weight, pendingNode.client, pendingNode.peer)
                    json.flag("admits_itself", pendingNode.admitsItself)
                }
            }
        }
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
                    json.name("standing")
                    json.status(of: member)
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
        name("number")
        number(member.number.raw)
        place(zone: member.zone, member.weight, member.client, member.peer)
    }

    private mutating func place(zone: String, _ weight: Int, _ client: Address, _ peer: Address) {
        name("zone")
        string(zone)
        name("weight")
        number(weight)
        name("client")
        string(client.description)
        name("peer")
        string(peer.description)
    }

    private mutating func place(_ assignment: Assignment, _ leader: NodeNumber?, _ names: NodeNames) {
        replicas(assignment, names)
        name("leader")
        if let leader { string(names[leader]) } else { null() }
    }

    private mutating func replicas(_ assignment: Assignment, _ names: NodeNames) {
        strings("replicas", assignment.replicas.map { names[$0] })
        guard let next = assignment.next else { return }
        strings("next", next.map { names[$0] })
    }
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
    fileprivate func leader(of place: Int) -> NodeNumber? {
        leaders.indices.contains(place) ? leaders[place] : nil
    }
}
