/// An operator's request at the coordinator.
struct PendingControl {
    enum Origin {
        /// From an operator at this node.
        case local(RequestID)
        /// Passed on by another node.
        case remote(NodeNumber, RequestID)
    }

    var origin: Origin
    var request: ControlRequest
    /// The time at which it is given up, unless it is being carried out.
    var deadline: Instant
}
