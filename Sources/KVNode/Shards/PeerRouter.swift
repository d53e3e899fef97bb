import KVCore

/// Passes peers' messages to the shards that they are for.
final class PeerRouter: Sendable {
    private let runners: [ShardRunner]
    private let shards: ShardMap

    init(runners: [ShardRunner], _ shards: ShardMap) {
        self.runners = runners
        self.shards = shards
    }

    /// Delivers messages. Called on any event loop.
    func deliver(from peer: NodeNumber, _ messages: [PeerMessage]) {
        guard runners.count > 1 else { return deliver(from: peer, messages, to: runners[0]) }
        var parts: [[PeerMessage]] = Array(repeating: [], count: runners.count)
        for message in messages {
            switch message.destination(shards) {
            case .shard(let index): parts[index].append(message)
            case .all: for index in parts.indices { parts[index].append(message) }
            }
        }
        for (index, part) in parts.enumerated() where !part.isEmpty { deliver(from: peer, part, to: runners[index]) }
    }

    /// Notes that a long message of a peer is arriving. Called on any event loop.
    func reading(from peer: NodeNumber) {
        for runner in runners { runner.loop.execute { runner.reading(from: peer) } }
    }

    private func deliver(from peer: NodeNumber, _ messages: [PeerMessage], to runner: ShardRunner) {
        if runner.loop.inEventLoop {
            runner.deliver(from: peer, messages)
        } else {
            runner.loop.execute { runner.deliver(from: peer, messages) }
        }
    }
}
