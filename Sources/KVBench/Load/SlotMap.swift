import KVCore

/// The leader of each slot.
struct SlotMap: Sendable {
    var nodes: [Address]
    /// The ids of the nodes, if they are known.
    var ids: [Address: String] = [:]
    /// The index in `nodes` of each slot's leader; empty if any node may be asked.
    private(set) var leaders: [UInt16] = []

    /// Makes a map without leaders: any node may be asked.
    init(anyOf nodes: [Address]) { self.nodes = nodes }

    /// - Parameter ranges: the first and the last slot of each range, and their leader. Slots without a leader go to
    ///   the first node.
    init(_ ranges: [(first: Int, last: Int, leader: Address)]) {
        nodes = []
        leaders = Array(repeating: 0, count: Slot.count)
        var numbers: [Address: UInt16] = [:]
        for range in ranges {
            guard 0...range.last ~= range.first, range.last < Slot.count else { continue }
            let number = numbers[range.leader] ?? UInt16(clamping: nodes.count)
            if numbers[range.leader] == nil {
                numbers[range.leader] = number
                nodes.append(range.leader)
            }
            for slot in range.first...range.last { leaders[slot] = number }
        }
    }

    /// The index of the node that leads a key; nil means any node.
    func leader(ofKey number: Int) -> Int? {
        leaders.isEmpty ? nil : Int(leaders[Int(KeyName.slot(number).raw)])
    }
}
