/// A change of the topology that was put to the register, and what to do when it is known how that ended.
struct TopologyChange {
    var topology: Topology
    var asks: [PendingControl] = []
    var evicted: [NodeNumber] = []
}
