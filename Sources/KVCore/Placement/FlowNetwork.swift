/// A directed graph with capacities and unit costs, in which it finds a maximum flow of least cost.
///
/// The primal-dual method (Ford and Fulkerson, 1962): distances to the sink are potentials, which make every usable
/// arc's reduced cost non-negative; the arcs whose reduced cost is zero are filled by Dinic's blocking flows; then the
/// potentials are raised. There are as many such rounds as the cheapest paths have different lengths, which are few
/// where costs are 0 and 1. The final potentials prove that the result is optimal: see `isOptimal`.
///
/// Deterministic: among equal choices the arc that was added first wins.
struct FlowNetwork {
    struct Arc {
        fileprivate let index: Int
    }

    /// Arcs come in pairs, `a` and its reverse `a ^ 1`.
    private var heads: [Int32] = []
    private var residuals: [Int32] = []
    private var costs: [Int8] = []

    /// Arcs by the vertex they leave: those of `v` are `leaving[starts[v] ..< starts[v + 1]]`.
    private var starts: [Int32] = []
    private var leaving: [Int32] = []

    private let vertexCount: Int
    private let source: Int
    private let sink: Int
    /// A lower bound of the cost from each vertex to the sink: no usable arc `u -> v` has
    /// `cost + potential(v) < potential(u)`.
    private var potentials: [Int32]

    init(vertexCount: Int, source: Int, sink: Int, expectedArcs: Int) {
        self.vertexCount = vertexCount
        self.source = source
        self.sink = sink
        potentials = Array(repeating: 0, count: vertexCount)
        heads.reserveCapacity(2 * expectedArcs)
        residuals.reserveCapacity(2 * expectedArcs)
        costs.reserveCapacity(2 * expectedArcs)
    }

    /// - Parameter cost: the cost of each unit; 0 or 1.
    @discardableResult
    mutating func addArc(from tail: Int, to head: Int, capacity: Int, cost: Int8 = 0) -> Arc {
        assert((0...1).contains(cost) && (0...Int(Int32.max)).contains(capacity), "an arc is within its limits")
        heads.append(Int32(head))
        heads.append(Int32(tail))
        residuals.append(Int32(capacity))
        residuals.append(0)
        costs.append(cost)
        costs.append(-cost)
        return Arc(index: heads.count - 2)
    }

    /// The flow through an arc after `maximize`.
    func flow(through arc: Arc) -> Int { Int(residuals[arc.index ^ 1]) }

    /// Finds the flow, once all arcs are there, and returns how much it is.
    mutating func maximize() -> Int {
        indexArcs()
        var total = 0
        while raisePotentials() {
            while let levels = levelsToSink() { total += saturate(levels) }
        }
        assert(isOptimal, "the potentials prove that no flow as large costs less")
        return total
    }

    /// Whether the flow found is of least cost among flows as large: complementary slackness, the optimality
    /// condition of linear programs.
    var isOptimal: Bool {
        heads.indices.allSatisfy { arc in
            let tail = Int(heads[arc ^ 1])
            return residuals[arc] == 0 || reducedCost(of: arc, from: tail) >= 0
        }
    }

    private func reducedCost(of arc: Int, from tail: Int) -> Int32 {
        Int32(costs[arc]) + potentials[Int(heads[arc])] - potentials[tail]
    }

    private mutating func indexArcs() {
        starts = Array(repeating: 0, count: vertexCount + 1)
        for arc in heads.indices { starts[Int(heads[arc ^ 1]) + 1] += 1 }
        for vertex in 0..<vertexCount { starts[vertex + 1] += starts[vertex] }
        leaving = Array(repeating: 0, count: heads.count)
        var next = starts
        for arc in heads.indices {
            let tail = Int(heads[arc ^ 1])
            leaving[Int(next[tail])] = Int32(arc)
            next[tail] += 1
        }
    }

    /// Makes the potentials exact up to the source's distance. Returns false where the source does not reach the sink.
    ///
    /// Dijkstra's algorithm backwards from the sink, with Dial's buckets: distances are small integers.
    private mutating func raisePotentials() -> Bool {
        var distances = [Int32](repeating: .max, count: vertexCount)
        var buckets: [[Int32]] = [[Int32(sink)]]
        distances[sink] = 0
        var distance = 0
        while distance < buckets.count, distances[source] > distance {
            while let vertex = buckets[distance].popLast().map(Int.init) {
                // A shorter way was found after it had been put here.
                guard distances[vertex] == distance else { continue }
                for slot in Int(starts[vertex])..<Int(starts[vertex + 1]) {
                    let arc = Int(leaving[slot]) ^ 1
                    guard residuals[arc] > 0 else { continue }
                    let tail = Int(heads[arc ^ 1])
                    let through = Int32(distance) + reducedCost(of: arc, from: tail)
                    guard through < distances[tail] else { continue }
                    distances[tail] = through
                    while buckets.count <= Int(through) { buckets.append([]) }
                    buckets[Int(through)].append(Int32(tail))
                }
            }
            distance += 1
        }
        let reach = distances[source]
        guard reach != .max else { return false }
        // Vertices farther than the source only rise with all others: no cheapest path has them.
        for vertex in 0..<vertexCount { potentials[vertex] += min(distances[vertex], reach) }
        return true
    }

    /// How many arcs of reduced cost zero each vertex is away from the sink, or -1 where it is farther than the source.
    /// Nil where the source has no such path.
    private func levelsToSink() -> [Int32]? {
        var levels = [Int32](repeating: -1, count: vertexCount)
        var queue = [Int32(sink)]
        levels[sink] = 0
        var front = 0
        while front < queue.count, levels[source] < 0 {
            let vertex = Int(queue[front])
            front += 1
            for slot in Int(starts[vertex])..<Int(starts[vertex + 1]) {
                let arc = Int(leaving[slot]) ^ 1
                guard residuals[arc] > 0 else { continue }
                let tail = Int(heads[arc ^ 1])
                guard levels[tail] < 0, reducedCost(of: arc, from: tail) == 0 else { continue }
                levels[tail] = levels[vertex] + 1
                queue.append(Int32(tail))
            }
        }
        return levels[source] < 0 ? nil : levels
    }

    /// Fills a blocking flow along arcs that lead one level down, by Dinic's depth-first search without recursion.
    private mutating func saturate(_ initialLevels: [Int32]) -> Int {
        var levels = initialLevels
        var cursors = starts
        var path: [Int] = []
        var vertex = source
        var total = 0
        while true {
            if vertex == sink {
                total += push(along: path)
                // Go back to the first place where the path is cut now.
                let cut = path.firstIndex { residuals[$0] == 0 } ?? 0
                vertex = Int(heads[path[cut] ^ 1])
                path.removeSubrange(cut...)
                continue
            }
            if let arc = nextArc(from: vertex, levels: levels, cursors: &cursors) {
                path.append(arc)
                vertex = Int(heads[arc])
            } else if let arc = path.popLast() {
                levels[vertex] = -1
                vertex = Int(heads[arc ^ 1])
            } else {
                return total
            }
        }
    }

    private func nextArc(from vertex: Int, levels: [Int32], cursors: inout [Int32]) -> Int? {
        let end = starts[vertex + 1]
        while cursors[vertex] < end {
            let arc = Int(leaving[Int(cursors[vertex])])
            if residuals[arc] > 0, levels[Int(heads[arc])] == levels[vertex] - 1,
                levels[Int(heads[arc])] >= 0, reducedCost(of: arc, from: vertex) == 0
            {
                return arc
            }
            cursors[vertex] += 1
        }
        return nil
    }

    private mutating func push(along path: [Int]) -> Int {
        var amount = Int32.max
        for arc in path { amount = min(amount, residuals[arc]) }
        for arc in path {
            residuals[arc] -= amount
            residuals[arc ^ 1] += amount
        }
        return Int(amount)
    }
}
