/// A change of the topology that was written to the register, and what to do when its outcome is known.
struct ProposedTopology {
    var topology: Topology
    var asks: [PendingControl] = []
    var evicted: [NodeNumber] = []
}
