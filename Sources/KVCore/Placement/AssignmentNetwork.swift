/// A flow network that hands items to nodes, each of which takes a number of them within its bounds.
///
/// Lower bounds need no special algorithm. The items that a node must take go to the sink directly. Those that it may
/// take beyond go through one common vertex, which lets through the difference between the total and all lower bounds.
/// So a flow of the full total meets the lower bounds.
struct AssignmentNetwork {
    private static let source = 0
    private static let sink = 1
    private static let spare = 2
    private static let firstNode = 3

    private var network: FlowNetwork
    private var offers: [(partition: Int, node: Int, arc: FlowNetwork.Arc)] = []
    private var nextVertex: Int
    private let total: Int

    /// - Parameters:
    ///   - bounds: the least and the most items, by node.
    ///   - total: the number of items; between the sums of the bounds.
    ///   - inner: how many vertices will be added.
    init(bounds: [(least: Int, most: Int)], total: Int, inner: Int, expectedArcs: Int) {
        assert(bounds.allSatisfy { 0 <= $0.least && $0.least <= $0.most }, "bounds are in order")
        assert(bounds.reduce(0) { $0 + $1.least } <= total, "the bounds leave room for no more than all items")
        assert(bounds.reduce(0) { $0 + $1.most } >= total, "the bounds leave room for every item")
        self.total = total
        nextVertex = Self.firstNode + bounds.count
        network = FlowNetwork(
            vertexCount: nextVertex + inner, source: Self.source, sink: Self.sink,
            expectedArcs: expectedArcs + inner + 2 * bounds.count + 1)
        for (node, bound) in bounds.enumerated() {
            network.addArc(from: Self.firstNode + node, to: Self.sink, capacity: bound.least)
            network.addArc(from: Self.firstNode + node, to: Self.spare, capacity: bound.most - bound.least)
        }
        network.addArc(
            from: Self.spare, to: Self.sink, capacity: total - bounds.reduce(0) { $0 + $1.least })
        offers.reserveCapacity(expectedArcs)
    }

    /// A vertex that receives `supply` items.
    mutating func addVertex(supply: Int) -> Int {
        defer { nextVertex += 1 }
        if supply > 0 { network.addArc(from: Self.source, to: nextVertex, capacity: supply) }
        return nextVertex
    }

    mutating func connect(_ from: Int, to: Int, capacity: Int) {
        if capacity > 0 { network.addArc(from: from, to: to, capacity: capacity) }
    }

    /// Lets one item of `partition` go from a vertex to a node.
    mutating func offer(_ partition: Int, from vertex: Int, to node: Int, cost: Int8) {
        let arc = network.addArc(from: vertex, to: Self.firstNode + node, capacity: 1, cost: cost)
        offers.append((partition, node, arc))
    }

    /// Finds the nodes that get the items of each partition, at the least cost.
    mutating func solve(partitions: Int) -> [[Int]] {
        let flow = network.maximize()
        assert(flow == total, "every item has found a node")
        var nodes: [[Int]] = Array(repeating: [], count: partitions)
        for offer in offers where network.flow(through: offer.arc) > 0 { nodes[offer.partition].append(offer.node) }
        return nodes
    }
}
