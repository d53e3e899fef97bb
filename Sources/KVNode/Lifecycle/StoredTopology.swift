import KVCore
import KVStorage
import KVWire
import Synchronization

/// The topology on a node's disk: a whole one in the identity file, and behind it what was changed since, in a log.
///
/// A change costs one small synced append. When the log has become longer than the whole, or where it is not known what
/// was changed, the whole is written again and the log is cleared.
final class StoredTopology: Sendable {
    /// The log is not worth clearing before it has so many bytes.
    private static let leastFolded = 16 << 10

    private let file: IdentityFile
    private let log: ChangeLog
    private let state: Mutex<State>

    private struct State {
        /// The epoch on disk.
        var epoch: Epoch
        /// Whether changes may follow the whole. An earlier version of the program does not know the log, and must not
        /// take the whole for the newest: it does not know the whole's format either.
        var takesChanges: Bool
    }

    /// - Parameter topology: what `read` has found; nil where there is none yet.
    init(_ file: IdentityFile, directory: String, topology: Topology?) throws(StoreError) {
        self.file = file
        log = try ChangeLog(directory: directory)
        let whole = file.entry(DataDirectory.Entry.topology)
        state = Mutex(State(epoch: topology?.epoch ?? 0, takesChanges: (whole?.first ?? 0) >= TopologyCodec.format))
    }

    /// Reads a directory's topology; nil for a new directory or a pending node's.
    static func read(in path: String) throws -> Topology? {
        guard let bytes = IdentityFile.readEntry(DataDirectory.Entry.topology, directory: path) else { return nil }
        var topology = try TopologyCodec.decode(bytes)
        let records = try ChangeLog.records(in: path)
        guard records != nil || IdentityFile.readEntry(DataDirectory.Entry.log, directory: path) == nil else {
            throw StoreError.damaged(
                file: "\(path)/\(ChangeLog.name)", offset: 0,
                detail: "it is not there, and has what was changed after epoch \(topology.epoch) of the topology")
        }
        for record in records ?? [] {
            do {
                // The process may have ended after it had written the whole, and before it had cleared the log.
                for change in try TopologyChangeCodec.decode(list: record) where change.epoch > topology.epoch {
                    topology = try topology.applying(change)
                }
            } catch {
                throw StoreError.damaged(
                    file: "\(path)/\(ChangeLog.name)", offset: 0,
                    detail: "what was changed after epoch \(topology.epoch) of the topology is not there: \(error)")
            }
        }
        return topology
    }

    /// Writes a topology; durable when this returns. Blocks.
    /// - Parameter changes: what makes it of the one that was written last; nil where that is not known.
    func write(_ topology: Topology, changes: [TopologyChange]?) throws(StoreError) {
        let before = state.withLock { $0 }
        if let changes, before.takesChanges, changes.first?.base == before.epoch, changes.last?.epoch == topology.epoch,
            changes.count <= TopologyChangeCodec.maximumChanges, log.byteCount < foldedFrom
        {
            if file.entry(DataDirectory.Entry.log) == nil {
                // A start that does not find it again is refused.
                try log.create()
                try file.setEntry(DataDirectory.Entry.log, Array("yes".utf8))
            }
            try log.append(TopologyChangeCodec.encode(list: changes))
        } else {
            try file.setEntry(DataDirectory.Entry.topology, TopologyCodec.encode(topology))
            try log.clear()
        }
        state.withLock { $0 = State(epoch: topology.epoch, takesChanges: true) }
    }

    private var foldedFrom: Int {
        max(file.entry(DataDirectory.Entry.topology)?.count ?? 0, Self.leastFolded)
    }
}
