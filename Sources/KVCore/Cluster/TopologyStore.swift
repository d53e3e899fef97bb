/// Keeps this node's topology up to date: it learns of later ones, has them persisted, then adopts them, and passes
/// them on.
///
/// Nodes tell each other what has changed. Whole topologies go to those that cannot use that: members of an earlier
/// version, and whoever is further behind than changes are kept here.
///
/// Invariant 10: a node acts on a topology only once it is known to be chosen and is on disk, and never falls back.
struct TopologyStore {
    /// A topology on its way to the disk.
    private struct Next {
        var topology: Topology
        /// The changes that make it of the topology before it on the disk; nil where a whole topology was learned.
        var changes: [TopologyChange]?
    }

    private let context: ClusterContext
    /// The topology on its way to the disk.
    private var persisting: Next?
    /// The latest topology learned while another is on its way there.
    private var pending: Next?
    /// The latest changes, each of the topology that the one before it gives. The last gives the newest topology.
    private var changes: [TopologyChange] = []
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
    private var newest: Topology { pending?.topology ?? persisting?.topology ?? context.topology }

    // MARK: Learning

    /// Takes a topology that is known to be chosen.
    mutating func learn(_ topology: Topology) {
        // Late, not sound, or another cluster's.
        guard topology.isSound(after: newest) else { return }
        changes = []
        take(Next(topology: topology, changes: nil))
    }

    /// Takes what was changed by topologies that are known to be chosen, in their order.
    mutating func learn(_ news: [TopologyChange], from node: NodeNumber) {
        for change in news where change.epoch > newest.epoch {
            var change = change
            if change.base != newest.epoch {
                // One or more before it were lost, or this node has been away.
                guard context.options.broken.contains(.applyInOrder) else { return see(change.epoch, at: node) }
                change.base = newest.epoch
            }
            guard let topology = try? newest.applying(change) else {
                // Not sound, so the whole is asked for: it says whether the sender's topology is.
                return context.send(node, .topologyWanted(above: 0))
            }
            learn(topology, by: change)
        }
    }

    /// Takes a topology that was chosen just now, or read from the register, and sends it to all it concerns.
    mutating func announce(_ topology: Topology) {
        let change = TopologyChange(from: newest, to: topology)
        assert(
            change.map { (try? newest.applying($0)) == topology } ?? true,
            "a change gives the topology that it was made of")
        broadcast(topology, by: change)
        // What it changes cannot always be said, when it spans several epochs.
        guard let change else { return learn(topology) }
        if topology.isSound(after: newest) { learn(topology, by: change) }
    }

    /// Takes a sound topology, and what it changes of the newest one.
    private mutating func learn(_ topology: Topology, by change: TopologyChange) {
        assert(change.base == newest.epoch, "a change is of the newest topology")
        changes.append(change)
        var weight = changes.reduce(0) { $0 + $1.weight }
        while changes.count > context.options.maximumChanges || weight > context.options.maximumChangedPartitions {
            weight -= changes.removeFirst().weight
        }
        take(Next(topology: topology, changes: [change]))
    }

    private mutating func take(_ next: Next) {
        assert(persisting != nil || pending == nil, "a topology waits only while another is on its way to the disk")
        if persisting == nil {
            persist(next)
        } else if let waiting = pending, !context.options.broken.contains(.persistEveryChange) {
            // What waits is passed over, and is on the disk only as a part of what follows.
            let changes = next.changes.flatMap { later in waiting.changes.map { $0 + later } }
            pending = Next(topology: next.topology, changes: changes)
        } else {
            pending = next
        }
        holders = holders.filter { $0.value > next.topology.epoch }
        if holders.isEmpty { asked = nil }
    }

    private mutating func persist(_ next: Next) {
        persisting = next
        context.effects.append(.persist(next.topology, changes: next.changes))
        if context.options.broken.contains(.persistBeforeActing) { context.adopt(next.topology) }
    }

    /// A topology is on disk.
    mutating func persisted(_ epoch: Epoch) {
        // It has been said before.
        guard let next = persisting, next.topology.epoch == epoch else { return }
        let waiting = pending
        (persisting, pending) = (nil, nil)
        if !context.options.broken.contains(.persistBeforeActing) { context.adopt(next.topology) }
        if let waiting { persist(waiting) }
    }

    /// A node goes by a topology of this epoch.
    mutating func see(_ epoch: Epoch, at node: NodeNumber) {
        // A pending node goes by no topology.
        guard node != context.me, node.raw > 0 else { return }
        if epoch < marks.before { push(to: node, above: epoch) }
        guard epoch > newest.epoch else { return holders[node] = nil }
        // Enough others can be asked.
        guard holders[node] != nil || holders.count < context.options.maximumHolders else { return }
        holders[node] = epoch
        if asked == nil { ask(node) }
    }

    // MARK: Telling

    /// A connection to a node stands, which goes by a topology of this epoch, or by none: it waits to be admitted.
    func linked(_ node: NodeNumber, above epoch: Epoch) {
        if newest.isTeller(context.me, of: node) { answer(node, above: epoch) }
    }

    /// Sends a node what is newer than it has, if anything is.
    func answer(_ node: NodeNumber, above epoch: Epoch) {
        guard newest.epoch > epoch else { return }
        if context.takesChanges(node), let first = changes.firstIndex(where: { $0.base == epoch }) {
            context.send(node, .topologyChanges(Array(changes[first...])))
        } else {
            context.send(node, .topology(newest))
        }
    }

    /// Sends a topology that is known to be chosen to all it concerns.
    private func broadcast(_ topology: Topology, by change: TopologyChange?) {
        let numbers = Set((context.topology.members + topology.members).map(\.number))
        for number in numbers.sorted() where number != context.me {
            // A node that joins with this topology has none that could be changed.
            if let change, context.topology.member(number) != nil, context.takesChanges(number) {
                context.send(number, .topologyChanges([change]))
            } else {
                context.send(number, .topology(topology))
            }
        }
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

    /// Sends a node unasked what is newer than its epoch. Only members get it, and not again before a while has passed:
    /// what a node says of itself may have been on its way for long.
    private mutating func push(to node: NodeNumber, above epoch: Epoch) {
        guard newest.member(node) != nil, newest.isTeller(context.me, of: node), pushed[node] == nil else { return }
        pushed[node] = context.time
        answer(node, above: epoch)
    }
}
