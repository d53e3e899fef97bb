import KVCore
import KVWire
import NIOCore

extension ShardRunner {
    /// Uses a topology from now on; it is on disk.
    /// - Parameter farewell: the last message to removed members.
    func adopt(_ topology: Topology, farewell: EncodedMessage?) {
        loop.assertInEventLoop()
        guard !isStopped else { return }
        names = MemberNames(topology)
        reachability.pace = HeartbeatPace(members: topology.members.count)
        if index == 0 { clock.setOthers(topology.members.map(\.number).filter { $0 != node.number }) }
        // The machine comes first: what it still sends by the old topology goes over the old links.
        handle(.topology(topology))
        tick()
        for peer in links?.adopt(topology, farewell: farewell) ?? [] {
            forget(peer)
        }
        performReachability()
    }
}
