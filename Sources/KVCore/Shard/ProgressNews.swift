/// What the peers are told of how far a shard's store has come on disk. A copy of the store that was made before cannot
/// claim it, so a process that runs on the copy is refused.
///
/// Any peer that knows of the progress refuses the copy. So it is enough that a few peers are told at a time, each in
/// its turn, and a node that writes all the time tells as many whatever the number of members. In clusters of up to
/// four all are told at once.
package struct ProgressNews: Sendable {
    /// The most peers that are told at a time.
    package static let peersPerTurn = HeartbeatPace.peersPerTurn

    /// What each peer was told last.
    private var told: [NodeNumber: UInt64] = [:]
    /// What all peers have been told.
    private var toldToAll: UInt64 = 0
    /// The peer that was told last.
    private var last = NodeNumber(0)

    package init() {}

    /// The peers to be told now. To be called a few times a second.
    ///
    /// - Parameters:
    ///   - batch: How far the store has come.
    ///   - peers: The peers that can be told, each once. It is called only if there may be something to tell.
    package mutating func next(_ batch: UInt64, among peers: () -> [NodeNumber]) -> [NodeNumber] {
        guard batch > toldToAll else { return [] }
        let behind = peers().filter { told[$0, default: 0] < batch }.sorted()
        if behind.count <= Self.peersPerTurn { toldToAll = batch }
        let next = (behind.filter { $0 > last } + behind.filter { $0 <= last }).prefix(Self.peersPerTurn)
        for peer in next { told[peer] = batch }
        last = next.last ?? last
        return Array(next)
    }

    /// The peer is to be told anew, or is no member any more.
    package mutating func forget(_ peer: NodeNumber) {
        told[peer] = nil
        toldToAll = 0
    }
}
