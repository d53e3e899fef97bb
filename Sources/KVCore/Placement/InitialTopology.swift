extension Topology {
    /// The topology that a new cluster begins with: epoch 1, planned from nothing. Every node that starts from the same
    /// settings and members computes the same.
    package static func initial(clusterID: UUID128, settings: ClusterSettings, members: [Member]) -> Topology {
        let plan = Planner.plan(members: members, partitions: settings.partitions, replicas: settings.replicas)
        let metadataQuorum = Planner.metadataQuorum(of: members, current: [])
        return Topology(
            clusterID: clusterID, epoch: 1, settings: settings, members: members.sorted { $0.number < $1.number },
            assignments: plan.target.map { Assignment(replicas: $0, changed: 1) },
            metadataQuorum: Assignment(replicas: metadataQuorum, changed: 1))
    }
}
