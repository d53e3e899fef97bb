import KVCore

/// What is to be done about a request.
enum RespDecision {
    /// Reply, after all that came before.
    case answer(RespAnswer)
    /// Carry out one command on one key.
    case key(Key, Command, RespExpectation)
    /// Carry out commands on several keys, each by itself.
    case keys(RespGathering)
    /// Something about the whole node or cluster.
    case task(RespTask)
    /// Reply, if anything, and close.
    case close(RespAnswer?)
}

/// What takes more than one command on one key. It is begun once everything earlier has been answered, and nothing later
/// begins before its end.
enum RespTask {
    case count
    case scan(ScanRequest)
    case keys(RespGlob)
    case randomKey
    case flush
    case cluster(ClusterQuestion)
}

/// What is told of the cluster.
enum ClusterQuestion {
    case slots, shards, nodes, info, myID
    /// How many replicas have what was acknowledged, beside the leader.
    case wait
}
