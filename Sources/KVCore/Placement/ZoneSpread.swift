/// How many replicas of one partition each zone may hold, so that they lie in as many zones, as evenly, as can be.
///
/// Zones are filled like vessels: every zone takes one replica before any takes a second, and a zone never takes more
/// than it has nodes. So a partition has `lower` or `lower + 1` replicas in a zone that has room for both. More freedom
/// than that would make the spread less even.
///
/// Members that name no zone share one unnamed zone: nothing says that they fail apart. (Where no member names one,
/// that single zone constrains nothing.)
struct ZoneSpread: Hashable {
    /// The index of each member's zone, in the members' order. Zones are numbered in the order of their names.
    let zones: [Int]
    /// The least and the most replicas of a partition, by zone.
    let lower: [Int]
    let upper: [Int]

    var count: Int { lower.count }

    /// - Parameter replicas: at most as many as there are names.
    init(names: [String], replicas: Int) {
        assert(replicas <= names.count, "a node holds a partition once")
        let sorted = names.sorted()
        var distinct: [String] = []
        for name in sorted where distinct.last != name { distinct.append(name) }
        zones = names.map { name in distinct.firstIndex(of: name) ?? 0 }

        var sizes = Array(repeating: 0, count: distinct.count)
        for zone in zones { sizes[zone] += 1 }
        var level = 0
        while sizes.reduce(0, { $0 + min($1, level) }) < replicas { level += 1 }
        lower = sizes.map { min($0, max(level - 1, 0)) }
        upper = sizes.map { min($0, level) }
    }
}
