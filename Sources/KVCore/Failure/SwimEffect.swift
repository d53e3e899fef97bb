/// What a failure detector asks of the code around it.
package enum SwimEffect: Hashable, Sendable {
    /// Send it as one datagram, once.
    case send(NodeNumber, GossipMessage)
    /// The status of a member is another than before.
    case changed(NodeNumber, Liveness)
    /// It has not answered a probe and is heard over a connection: datagrams do not pass.
    case unanswered(NodeNumber)
    /// A member goes by a later topology than this node; told with every message that says so.
    case epochSeen(Epoch, at: NodeNumber)
}
