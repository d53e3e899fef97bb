import KVConfig
import KVCore
import KVStorage
import KVWire
import NIOCore
import Synchronization

/// A node's data on disk: who it is, the topology it goes by, which stores its peers have, and its own stores.
final class DataDirectory: Sendable {
    /// Shards of a new data directory: half the processors, so that the storage threads have the others.
    private static var defaultShards: Int { min(max(System.coreCount / 2, 1), 8) }

    private enum Entry {
        static let topology = "topology"
        static let agreement = "agreement"
        static func peer(_ node: NodeNumber) -> String { "peer.\(node.raw)" }
    }

    let path: String
    let identity: NodeIdentity
    let topology: Topology
    /// One a shard.
    var stores: [LogStore] { owned.stores }

    private let file: IdentityFile
    private let owned: Stores
    private let peers: Mutex<[NodeNumber: UUID128]>

    /// Sendable because each store goes to the one shard that owns it.
    private struct Stores: @unchecked Sendable {
        let stores: [LogStore]
    }

    /// Opens the directory, or makes it, and recovers what is in it.
    /// - Throws: `NodeError`
    static func open(_ configuration: Configuration) throws(NodeError) -> DataDirectory {
        try makeParents(of: configuration.dataDirectory)
        do {
            return try DataDirectory(configuration)
        } catch let error as StoreError {
            throw NodeError(error)
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(.badData, "\(configuration.dataDirectory): \(error)")
        }
    }

    private init(_ configuration: Configuration) throws {
        let path = configuration.dataDirectory
        try Self.checkAgreement(of: path, configuration)
        let file = try IdentityFile(
            directory: path, node: configuration.node.id, cluster: configuration.clusterID,
            newStore: UUID128(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)),
            newShards: Self.defaultShards)
        let topology: Topology
        if let stored = file.entry(Entry.topology) {
            topology = try TopologyCodec.decode(stored)
        } else {
            // The first start: every node of the file comes to the same.
            topology = Topology.initial(
                clusterID: configuration.clusterID, settings: configuration.settings,
                members: configuration.initialMembers())
            try file.setEntry(Entry.agreement, Array(Self.text(configuration.agreement).utf8))
            try file.setEntry(Entry.topology, TopologyCodec.encode(topology))
        }
        guard let member = topology.member(named: configuration.node.id) else {
            throw NodeError(
                .badData,
                "\(path): the stored topology has no node \(configuration.node.id); use another data directory")
        }
        self.path = path
        self.file = file
        self.topology = topology
        identity = NodeIdentity(number: member.number, store: file.store, boot: file.boot, members: topology.members)
        owned = Stores(
            stores: try (0..<file.shards).map { shard in
                try LogStore.open(StoreOptions(shard: shard, of: file, in: path, configuration.storage))
            })
        var peers: [NodeNumber: UUID128] = [:]
        for member in topology.members {
            let known = file.entry(Entry.peer(member.number)) ?? []
            peers[member.number] = UUID128(String(decoding: known, as: UTF8.self))
        }
        self.peers = Mutex(peers)
    }

    /// Why `node` may not take part with this store; nil where it may. The first store seen of a node is its own from then
    /// on: one that lost its data has forgotten what it promised, and must not vote.
    func objection(to store: UUID128, of node: NodeNumber) -> String? {
        peers.withLock { peers in
            if let known = peers[node] {
                guard known != store else { return nil }
                return """
                    \(identity.name(of: node)) has another data directory than before (store \(store), known to \
                    \(identity.id) is \(known)): with what it had promised forgotten it cannot vote; start it with its \
                    own data directory
                    """
            }
            do throws(StoreError) {
                try file.setEntry(Entry.peer(node), Array("\(store)".utf8))
            } catch {
                return "\(identity.id) could not write down the store of \(identity.name(of: node)): \(error)"
            }
            peers[node] = store
            return nil
        }
    }

    // MARK: The configuration it was made with

    /// Membership is what the file said when the directory was made: a file that says otherwise is refused, with the place.
    private static func checkAgreement(of path: String, _ configuration: Configuration) throws {
        guard let stored = IdentityFile.peek(Entry.agreement, directory: path) else { return }
        let before = String(decoding: stored, as: UTF8.self).split(separator: "\n").map(String.init)
        let now = text(configuration.agreement).split(separator: "\n").map(String.init)
        guard before != now else { return }
        let same = zip(before, now).prefix { $0 == $1 }.count
        let then = before.indices.contains(same) ? before[same] : "nothing"
        let found = now.indices.contains(same) ? now[same] : "nothing"
        throw NodeError(
            .badData,
            """
            \(path) was made with a configuration that said `\(then)`, where it now says `\(found)`; put that back, or \
            use an empty data directory for a new cluster (nodes cannot be added or changed by editing the file)
            """)
    }

    private static func text(_ agreement: [(path: String, value: String)]) -> String {
        agreement.map { "\($0.path): \($0.value)\n" }.joined()
    }

    private static func makeParents(of path: String) throws(NodeError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/").dropLast() {
            made += part + "/"
            do throws(FileError) {
                try SystemFileSystem().createDirectory(made)
            } catch {
                throw NodeError(StoreError.notWritable(directory: path, error))
            }
        }
    }
}

extension StoreOptions {
    fileprivate init(shard: Int, of file: IdentityFile, in path: String, _ storage: ClusterFile.Storage) {
        self.init(directory: "\(path)/shard-\(shard)", store: file.store, shard: UInt16(shard))
        sync =
            switch storage.sync {
            case .always: .always
            case .interval: .interval(storage.syncInterval)
            case .never: .never
            }
        cache = storage.cache / file.shards
        segment = storage.segment
    }
}

extension NodeError {
    init(_ error: StoreError) {
        switch error {
        case .locked, .notWritable: self.init(.unavailable, "\(error)")
        case .io, .damaged, .foreign, .newerFormat, .olderFormat, .tooLarge: self.init(.badData, "\(error)")
        }
    }
}
