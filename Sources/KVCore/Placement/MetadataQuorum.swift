extension Planner {
    /// The members that are to keep the topology: an odd number of those that stay, at most
    /// `Topology.maximumMetadataQuorum`. Members of the present metadata quorum remain in it as long as they stay. New
    /// ones come from the zones that have the fewest seats, then in the order of their numbers.
    package static func metadataQuorum(of members: [Member], current: [NodeNumber]) -> [NodeNumber] {
        let eligible = members.filter(\.stays).sorted { $0.number < $1.number }
        guard !eligible.isEmpty else { return current }
        let seats = min((eligible.count - 1) / 2 * 2 + 1, Topology.maximumMetadataQuorum)
        var chosen = eligible.filter { current.contains($0.number) }
        chosen.sort { (current.firstIndex(of: $0.number) ?? 0) < (current.firstIndex(of: $1.number) ?? 0) }
        chosen = Array(chosen.prefix(seats))
        while chosen.count < seats {
            let free = eligible.filter { member in !chosen.contains { $0.number == member.number } }
            let best = free.min { a, b in
                let (inA, inB) = (chosen.count { $0.zone == a.zone }, chosen.count { $0.zone == b.zone })
                return inA == inB ? a.number < b.number : inA < inB
            }
            guard let best else {
                assertionFailure("there are no more seats than members that stay")
                break
            }
            chosen.append(best)
        }
        return chosen.map(\.number)
    }
}
