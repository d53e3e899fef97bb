import KVCore

// How the membership stands, for clients that ask.

extension ClusterRunner {
    struct Snapshot: Sendable {
        var topology: Topology
        var liveness: [NodeNumber: Liveness]
        var applicants: [Applicant]
        var plan: PlanStatus?
    }

    func snapshot() -> Snapshot {
        loop.assertInEventLoop()
        let topology = machine.topology
        var liveness = [parts.node.number: Liveness.alive]
        for member in topology.members where member.number != parts.node.number {
            liveness[member.number] = swim.liveness(of: member.number) ?? .alive
        }
        return Snapshot(
            topology: topology, liveness: liveness, applicants: machine.applicants, plan: machine.planStatus())
    }
}
