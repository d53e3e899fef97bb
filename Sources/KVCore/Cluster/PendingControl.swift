/// An operator's request at the coordinator.
struct PendingControl {
    enum Origin {
        /// Of this node's operator.
        case local(RequestID)
        /// Passed on by another node.
        case remote(NodeNumber, RequestID)
    }

    var origin: Origin
    var request: ControlRequest
    /// It is given up then, unless it is being carried out.
    var deadline: Instant
}
