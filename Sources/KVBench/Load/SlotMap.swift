import KVCore

/// Which node is sent what.
struct SlotMap: Sendable {
    var nodes: [Address]
    /// The nodes' ids, where they are known.
    var ids: [Address: String] = [:]
    /// The index in `nodes` of each slot's leader; empty where any node will do.
    private(set) var leaders: [UInt16] = []

    /// Any node will do.
    init(anyOf nodes: [Address]) { self.nodes = nodes }

    /// - Parameter ranges: first and last slot, and who leads them. Slots that nobody leads go to the first node.
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

    /// Nil: any node.
    func leader(ofKey number: Int) -> Int? {
        leaders.isEmpty ? nil : Int(leaders[Int(KeyName.slot(number).raw)])
    }
}
