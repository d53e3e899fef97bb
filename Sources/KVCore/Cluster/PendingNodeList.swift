/// The nodes that wait to be admitted, as far as this one has heard. They are strangers, so their messages are checked.
struct PendingNodeList {
    private struct Entry {
        var pendingNode: PendingNode
        var firstHeard: Instant
        var lastHeard: Instant
    }

    private let options: ClusterOptions
    private var entries: [UUID128: Entry] = [:]

    init(options: ClusterOptions) { self.options = options }

    /// All of them, sorted by id, and those of one id by their stores.
    var all: [PendingNode] {
        entries.values.map(\.pendingNode)
            .sorted { $0.id == $1.id ? $0.store.description < $1.store.description : $0.id < $1.id }
    }

    func named(_ id: String) -> [PendingNode] { all.filter { $0.id == id } }

    /// When the newest of these was first heard of.
    func latestArrival(of stores: [UUID128]) -> Instant? { stores.compactMap { entries[$0]?.firstHeard }.max() }

    /// Takes an announcement. Returns nil where it is not to be believed or passed on, and otherwise whether the
    /// pending node is new here.
    mutating func hear(_ pendingNode: PendingNode, now: Instant, in topology: Topology) -> Bool? {
        guard pendingNode.isSound, topology.member(withStore: pendingNode.store) == nil else { return nil }
        if let known = entries[pendingNode.store] {
            // Late: it is of an earlier process.
            guard pendingNode.boot >= known.pendingNode.boot else { return nil }
            entries[pendingNode.store] = Entry(pendingNode: pendingNode, firstHeard: known.firstHeard, lastHeard: now)
            return false
        }
        guard entries.count < options.maximumPendingNodes else { return nil }
        entries[pendingNode.store] = Entry(pendingNode: pendingNode, firstHeard: now, lastHeard: now)
        return true
    }

    mutating func dropMembers(of topology: Topology) {
        entries = entries.filter { topology.member(withStore: $0.key) == nil }
    }

    mutating func dropSilent(now: Instant) {
        entries = entries.filter { now - $0.value.lastHeard < options.pendingNodeTimeout }
    }
}

extension PendingNode {
    package static let maximumWeight = 1000

    /// Whether it may become a member as it describes itself.
    var isSound: Bool {
        Self.isID(id) && Self.isZone(zone) && (1...Self.maximumWeight).contains(weight) && isSound(client)
            && isSound(peer)
    }

    /// 1-64 of `a-z 0-9 . - _`, and no name of a directory's own.
    package static func isID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { isNameByte($0) && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    }

    /// Nothing, or 1-64 of `A-Z a-z 0-9 . - _`.
    package static func isZone(_ text: String) -> Bool { text.utf8.count <= 64 && text.utf8.allSatisfy(isNameByte) }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private func isSound(_ address: Address) -> Bool {
        (1...255).contains(address.host.utf8.count) && (1...65535).contains(address.port)
    }
}
