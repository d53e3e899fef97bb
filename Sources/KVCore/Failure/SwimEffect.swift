/// What a failure detector asks of the code around it.
package enum SwimEffect: Hashable, Sendable {
    /// Send a message as one datagram, once.
    case send(NodeNumber, GossipMessage)
    /// The status of a member has changed.
    case changed(NodeNumber, Liveness)
    /// A member has not answered a probe, but is heard over a connection: datagrams do not pass.
    case unanswered(NodeNumber)
    /// A member goes by a later topology than this node; told with every message that says so.
    case epochSeen(Epoch, at: NodeNumber)
}
