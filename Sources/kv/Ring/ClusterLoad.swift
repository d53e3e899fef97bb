import KVClient
import KVConfig

/// What the nodes of a cluster serve, as each of them says of itself.
struct ClusterLoad: Encodable, Sendable {
    /// A member that has not said what it serves.
    struct SilentNode: Encodable, Sendable {
        var id: String
        /// Why.
        var reason: String
    }

    /// The number of nodes that are asked at a time.
    private static let maximumAsked = 64
    /// The number of partitions that are shown.
    private static let maximumBusiest = 20

    /// In the order of the members.
    let nodes: [LoadStatus]
    let silent: [SilentNode]

    /// Asks the members, each for what it serves during `span`.
    ///
    /// - Parameter client: Makes a client that asks the node at an address, and no other.
    static func measured(
        over span: Duration, by members: [NodeStatus], _ client: @escaping @Sendable (Address) -> KVClient
    ) async -> ClusterLoad {
        var answers: [Result<LoadStatus, SilentReason>?] = Array(repeating: nil, count: members.count)
        await withTaskGroup(of: (Int, Result<LoadStatus, SilentReason>).self) { group in
            for (index, member) in members.enumerated() {
                if index >= maximumAsked, let (place, answer) = await group.next() { answers[place] = answer }
                group.addTask { (index, await ask(member, over: span, client)) }
            }
            for await (place, answer) in group { answers[place] = answer }
        }
        return ClusterLoad(
            nodes: answers.compactMap { try? $0?.get() },
            silent: zip(members, answers).compactMap { member, answer in
                guard case .failure(let failure) = answer else { return nil }
                return SilentNode(id: member.id, reason: failure.reason)
            })
    }

    private struct SilentReason: Error {
        var reason: String
    }

    private static func ask(
        _ member: NodeStatus, over span: Duration, _ client: @Sendable (Address) -> KVClient
    ) async -> Result<LoadStatus, SilentReason> {
        do {
            let load = try await client(try Address(notation: member.client)).load(over: span)
            // A loopback address that a node of another machine advertises is another node's here.
            guard load.node == member.id else {
                return .failure(SilentReason(reason: "at its address \(member.client) \(load.node) answers"))
            }
            return .success(load)
        } catch {
            return .failure(SilentReason(reason: "\(error)"))
        }
    }

    /// A partition at a node that serves it.
    struct BusyPartition {
        var node: String
        var load: LoadStatus.Partition

        var requests: Double { load.reads + load.writes }
    }

    /// The partitions with the most requests of clients, the busiest first.
    var busiest: [BusyPartition] {
        let all = nodes.flatMap { node in node.busiest.map { BusyPartition(node: node.node, load: $0) } }
        return Array(all.sorted { $0.requests > $1.requests }.prefix(Self.maximumBusiest))
    }
}
