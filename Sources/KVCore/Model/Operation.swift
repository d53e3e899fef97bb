/// Whom to tell how an operation ended.
enum OperationOrigin: Hashable {
    /// A client of this node.
    case local(RequestID)
    /// Another node, on its client's behalf.
    case remote(NodeNumber, RequestID)
}

/// A command at the node that is to execute it.
struct Operation {
    var origin: OperationOrigin
    var key: Key
    var command: Command
    /// It is refused then unless it has been proposed.
    var deadline: Instant
}
