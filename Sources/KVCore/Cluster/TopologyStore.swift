/// Keeps this node's topology up to date: it learns of later ones, has them persisted, then adopts them, and passes
/// them on.
///
/// Invariant 10: a node acts on a topology only once it is known to be chosen and is on disk, and never falls back.
struct TopologyStore {
    private let context: ClusterContext
    /// The topology on its way to the disk.
    private var persisting: Topology?
    /// The latest topology learned while another is on its way there.
    private var pending: Topology?
    /// The nodes that are known to go by a later topology than any learned here, and its epoch.
    private var holders: [NodeNumber: Epoch] = [:]
    /// The node that was asked for its topology last, while a later one is missing.
    private var asked: (node: NodeNumber, at: Instant)?
    /// When each node was last sent this node's topology unasked.
    private var pushed: [NodeNumber: Instant] = [:]
    /// The epochs that were newest here at `markedAt`, and some while before. A node below the latter is behind, and
    /// does not just have a newer topology on its way to it.
    private var marks: (before: Epoch, last: Epoch)
    private var markedAt: Instant

    init(context: ClusterContext) {
        self.context = context
        marks = (context.topology.epoch, context.topology.epoch)
        markedAt = context.time
    }

    /// The latest topology known to be chosen.
    private var newest: Topology { pending ?? persisting ?? context.topology }

    /// Takes a topology that is known to be chosen.
    mutating func learn(_ topology: Topology) {
        // Late, not sound, or another cluster's.
        guard topology.isSound(after: newest) else { return }
        assert(persisting != nil || pending == nil, "a topology waits only while another is on its way to the disk")
        if persisting == nil {
            persisting = topology
            context.effects.append(.persist(topology))
        } else {
            pending = topology
        }
        holders = holders.filter { $0.value > topology.epoch }
        if holders.isEmpty { asked = nil }
    }

    /// A topology is on disk.
    mutating func persisted(_ epoch: Epoch) {
        // It has been said before.
        guard let topology = persisting, topology.epoch == epoch else { return }
        persisting = pending
        pending = nil
        context.adopt(topology)
        if let persisting { context.effects.append(.persist(persisting)) }
    }

    /// A node goes by a topology of this epoch.
    mutating func see(_ epoch: Epoch, at node: NodeNumber) {
        // A pending node goes by no topology.
        guard node != context.me, node.raw > 0 else { return }
        if epoch < marks.before { push(to: node) }
        guard epoch > newest.epoch else { return holders[node] = nil }
        // Enough others can be asked.
        guard holders[node] != nil || holders.count < context.options.maximumHolders else { return }
        holders[node] = epoch
        if asked == nil { ask(node) }
    }

    /// A node has asked for what is newer than it has.
    func answer(_ node: NodeNumber, above epoch: Epoch) {
        if newest.epoch > epoch { context.send(node, .topology(newest)) }
    }

    /// Sends a topology that is known to be chosen to all it concerns.
    func broadcast(_ topology: Topology) {
        let numbers = Set((context.topology.members + topology.members).map(\.number))
        for number in numbers.sorted() where number != context.me { context.send(number, .topology(topology)) }
    }

    mutating func timer() {
        if let asked, context.time - asked.at >= context.options.retry {
            let others = holders.keys.sorted()
            // Go round: ask the next in order.
            if let next = others.first(where: { $0 > asked.node }) ?? others.first {
                ask(next)
            } else {
                self.asked = nil
            }
        }
        if context.time - markedAt >= context.options.retry {
            marks = (marks.last, newest.epoch)
            markedAt = context.time
        }
        pushed = pushed.filter { context.time - $0.value < context.options.retry }
    }

    private mutating func ask(_ node: NodeNumber) {
        asked = (node, context.time)
        context.send(node, .topologyWanted(above: newest.epoch))
    }

    /// Sends a node this node's topology unasked. Only members get it, and not again before a while has passed: what a
    /// node says of itself may have been on its way for long.
    private mutating func push(to node: NodeNumber) {
        guard newest.member(node) != nil, pushed[node] == nil else { return }
        pushed[node] = context.time
        context.send(node, .topology(newest))
    }
}
