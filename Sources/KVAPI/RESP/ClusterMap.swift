import KVCore

/// The cluster as clients of Redis Cluster see it: ranges of slots, each with its master and replicas.
struct ClusterMap {
    struct Range {
        var slots: ClosedRange<Slot>
        /// The leader, as far as it is known; the preferred one otherwise.
        var master: NodeNumber
        /// Of both sets, while they move; ascending.
        var replicas: [NodeNumber]

        /// Nil where nothing is left.
        func dropFirst() -> Range? {
            guard slots.lowerBound < slots.upperBound else { return nil }
            var rest = self
            rest.slots = Slot(slots.lowerBound.raw + 1)...slots.upperBound
            return rest
        }

        /// Nil where nothing is left.
        func dropLast() -> Range? {
            guard slots.lowerBound < slots.upperBound else { return nil }
            var rest = self
            rest.slots = slots.lowerBound...Slot(slots.upperBound.raw - 1)
            return rest
        }
    }

    let view: ClusterView
    private let namesReplicas: Bool
    /// Ascending, neighbours of the same nodes taken together.
    let ranges: [Range]
    private let ids: [NodeNumber: String]

    /// - Parameter namesReplicas: whether ranges name the nodes beside their masters.
    init(_ view: ClusterView, namesReplicas: Bool) {
        self.view = view
        self.namesReplicas = namesReplicas
        let topology = view.topology
        var ranges: [Range] = []
        for (slots, place) in view.placesBySlots {
            guard let master = view.master(place) else { continue }
            let assignment = topology.assignments[place]
            let replicas = namesReplicas ? assignment.members.filter { $0 != master }.sorted() : []
            if let last = ranges.last, last.master == master, last.replicas == replicas {
                ranges[ranges.count - 1].slots = last.slots.lowerBound...slots.upperBound
            } else {
                ranges.append(Range(slots: slots, master: master, replicas: replicas))
            }
        }
        self.ranges = ranges
        ids = Dictionary(topology.members.map { ($0.number, Self.id(of: $0, in: topology)) }) { $1 }
    }

    /// 40 hexadecimal digits, as Redis names nodes: the same for as long as the node is a member.
    static func id(of member: Member, in topology: Topology) -> String {
        let hash = KeyHash(Key("\(topology.clusterID)/\(member.number.raw)/\(member.id)"))
        let number = String(member.number.raw, radix: 16)
        let zeros = String(repeating: "0", count: 8 - number.utf8.count)
        return UUID128(high: hash.high, low: hash.low).description + zeros + number
    }

    private func id(_ node: NodeNumber) -> String { ids[node] ?? "" }

    // MARK: CLUSTER

    /// Some clients (redis-py) take a node's role from the first or the last range that names it, and do not ask a
    /// replica for its part of all keys. So where replicas are named, each master's first and last slot are ranges of
    /// their own, at the ends, which name no replica.
    var slots: RESPAnswer {
        guard namesReplicas else { return .array(ranges.map(entry)) }
        var (first, middle, last): ([Range], [Range], [Range]) = ([], ranges, [])
        var seen: Set<NodeNumber> = []
        for master in ranges.map(\.master) where seen.insert(master).inserted {
            if let index = middle.firstIndex(where: { $0.master == master }) {
                let slot = middle[index].slots.lowerBound
                first.append(Range(slots: slot...slot, master: master, replicas: []))
                middle.replaceSubrange(index...index, with: middle[index].dropFirst().map { [$0] } ?? [])
            }
            if let index = middle.lastIndex(where: { $0.master == master }) {
                let slot = middle[index].slots.upperBound
                last.append(Range(slots: slot...slot, master: master, replicas: []))
                middle.replaceSubrange(index...index, with: middle[index].dropLast().map { [$0] } ?? [])
            }
        }
        return .array((first + middle + last).map(entry))
    }

    private func entry(_ range: Range) -> RESPAnswer {
        .array(
            [.integer(Int64(range.slots.lowerBound.raw)), .integer(Int64(range.slots.upperBound.raw))]
                + ([range.master] + range.replicas).compactMap(node))
    }

    private func node(_ number: NodeNumber) -> RESPAnswer? {
        guard let member = view.topology.member(number) else { return nil }
        return .array([
            .text(member.client.host), .integer(Int64(member.client.port)), .text(id(number)), .array([]),
        ])
    }

    /// One shard for each set of a master and replicas, with all its slots.
    var shards: RESPAnswer {
        var shards: [(key: [NodeNumber], slots: [RESPAnswer])] = []
        for range in ranges {
            let key = [range.master] + range.replicas
            let bounds: [RESPAnswer] = [
                .integer(Int64(range.slots.lowerBound.raw)), .integer(Int64(range.slots.upperBound.raw)),
            ]
            if let index = shards.firstIndex(where: { $0.key == key }) {
                shards[index].slots += bounds
            } else {
                shards.append((key, bounds))
            }
        }
        return .array(
            shards.map { shard in
                .map([
                    (.text("slots"), .array(shard.slots)),
                    (
                        .text("nodes"),
                        .array(shard.key.enumerated().compactMap { node(of: $1, isMaster: $0 == 0) })
                    ),
                ])
            })
    }

    private func node(of number: NodeNumber, isMaster: Bool) -> RESPAnswer? {
        guard let member = view.topology.member(number) else { return nil }
        return .map([
            (.text("id"), .text(id(number))), (.text("port"), .integer(Int64(member.client.port))),
            (.text("ip"), .text(member.client.host)), (.text("endpoint"), .text(member.client.host)),
            (.text("role"), .text(isMaster ? "master" : "replica")), (.text("replication-offset"), .integer(0)),
            (.text("health"), .text(isAlive(number) ? "online" : "failed")),
        ])
    }

    private func isAlive(_ number: NodeNumber) -> Bool {
        view.nodes.first { $0.number == number }?.state != .dead
    }

    /// As Redis writes its nodes.conf. Every node is a master there, with the slots that it leads: Redis knows no node
    /// that is master of some slots and replica of others.
    func nodes(myself: String) -> String {
        view.topology.members.map { member in
            let isMyself = member.id == myself
            var flags = isMyself ? "myself,master" : "master"
            switch view.nodes.first(where: { $0.number == member.number })?.state {
            case .suspect: flags += ",fail?"
            case .dead: flags += ",fail"
            case .alive, nil: break
            }
            let led = ranges.filter { $0.master == member.number }.map { range in
                range.slots.lowerBound == range.slots.upperBound
                    ? " \(range.slots.lowerBound)" : " \(range.slots.lowerBound)-\(range.slots.upperBound)"
            }
            let link = isAlive(member.number) ? "connected" : "disconnected"
            let address = "\(member.client.host):\(member.client.port)@\(member.peer.port)"
            return "\(id(member.number)) \(address) \(flags) - 0 0 \(view.topology.epoch) \(link)\(led.joined())\n"
        }.joined()
    }

    func info() -> String {
        let map = view.topology.slots
        let unled = view.leaders.indices.reduce(0) { sum, place in
            guard view.leaders[place] == nil, let slots = map.slots(of: map.partition(at: place)) else { return sum }
            return sum + Int(slots.upperBound.raw - slots.lowerBound.raw) + 1
        }
        let isWhole = unled == 0
        return [
            ("cluster_enabled", "1"), ("cluster_state", isWhole ? "ok" : "fail"),
            ("cluster_slots_assigned", "\(Slot.count)"), ("cluster_slots_ok", "\(Slot.count - unled)"),
            ("cluster_slots_pfail", "0"), ("cluster_slots_fail", "\(unled)"),
            ("cluster_known_nodes", "\(view.topology.members.count)"),
            ("cluster_size", "\(Set(ranges.map(\.master)).count)"),
            ("cluster_current_epoch", "\(view.topology.epoch)"), ("cluster_my_epoch", "\(view.topology.epoch)"),
        ].map { "\($0.0):\($0.1)\r\n" }.joined()
    }

    /// The answer to CLUSTER INFO of a node that is not a member.
    static let infoOfNoMember = "cluster_enabled:1\r\ncluster_state:fail\r\ncluster_slots_assigned:0\r\n"

    /// The number of copies that every acknowledged write has at least, beside its leader's.
    var acknowledgedReplicas: Int {
        view.topology.assignments.map { $0.replicas.count / 2 }.min() ?? 0
    }
}
