import Glibc
import KVConfig
import KVCore
import KVStorage
import KVWire
import NIOCore

/// Recovers a cluster that has lost majorities for good, from the data directory of a surviving member. Its node is
/// stopped meanwhile.
package struct ClusterRecovery: Sendable {
    /// The time that an attempt to connect to a surviving member may take. Milliseconds.
    private static let connectTimeout: CInt = 1000

    /// The member that the directory belongs to.
    package let node: String
    package let directory: String
    /// The topology in the directory.
    package let before: Topology
    package let recovery: TopologyRecovery
    /// True when this node's copies may lack records since its machine lost power. They are taken for complete all the
    /// same.
    package let mayLackRecords: Bool

    /// Reads a data directory, and changes nothing.
    ///
    /// - Parameters:
    ///   - node: the node that the directory must belong to; nil for any.
    ///   - lost: the ids of the lost members.
    ///   - acceptsLoss: whether to go on when a partition has no complete replica left.
    /// - Throws: `NodeError` when the directory is not a member's, or when the surviving members are not enough.
    package init(directory: String, node: String?, lost: [String], acceptsLoss: Bool) throws(NodeError) {
        guard
            let id = IdentityFile.readEntry("node", directory: directory).map({ String(decoding: $0, as: UTF8.self) }),
            let store = IdentityFile.readEntry("store", directory: directory).flatMap({
                UUID128(String(decoding: $0, as: UTF8.self))
            })
        else { throw NodeError(.badData, "\(directory) holds no node's data; name the directory with --data-dir") }
        if let node, node != id { throw NodeError(.badData, "\(directory) is the data of \(id), not of \(node)") }
        let topology: Topology?
        do {
            topology = try StoredTopology.read(in: directory)
        } catch {
            throw NodeError(.badData, "the topology in \(directory) cannot be read: \(error)")
        }
        guard let topology, topology.flaw == nil, let me = topology.member(ofStore: store, named: id) else {
            throw NodeError(
                .badData, "\(directory) is of \(id), which is no member of a cluster by what it knows; take a member's")
        }
        do {
            recovery = try TopologyRecovery(
                of: topology, survivor: me.number, lost: lost, acceptsLoss: acceptsLoss)
        } catch {
            throw NodeError(.badData, "nothing was changed: \(error)")
        }
        self.node = id
        self.directory = directory
        before = topology
        mayLackRecords = DataDirectory.mayLackRecords(directory, .present)
    }

    /// Writes the recovered topology to the directory; the node's next start uses it.
    ///
    /// - Throws: `NodeError` when this node or another surviving member runs: what it might still agree by the old
    ///   topology would be lost.
    package func write() throws(NodeError) {
        for member in recovery.left where member.id != node && isAnswered(member.peer) {
            throw NodeError(
                .unavailable,
                """
                nothing was changed: \(member.id) runs (\(member.peer) is answered), and goes by the topology of \
                before; stop every member that is left first
                """)
        }
        do throws(StoreError) {
            let file = try IdentityFile(
                directory: directory, lock: try IdentityFile.lock(directory), node: node, cluster: before.clusterID,
                newStore: .unknown, newShards: 1, nonce: .random(in: .min ... .max))
            guard (try? StoredTopology.read(in: directory)) == before else {
                throw StoreError.foreign(
                    file: directory, detail: "its topology has changed meanwhile; look at what would be done again")
            }
            // A founding member that the others have not admitted yet would wait for the lost ones.
            if file.entry(DataDirectory.Entry.founding) != nil {
                try file.setEntry(DataDirectory.Entry.founding, Array("no".utf8))
            }
            // Copies that may lack records would wait for the lost members, too.
            try DataDirectory.declareComplete(file)
            try file.setEntry(DataDirectory.Entry.topology, TopologyCodec.encode(recovery.topology))
        } catch {
            throw NodeError(error)
        }
    }

    /// True when connections to the address are accepted. Blocks.
    private func isAnswered(_ address: Address) -> Bool {
        guard let found = try? Resolver.resolve(address) else { return false }
        return found.contains { Self.accepts($0) }
    }

    private static func accepts(_ address: SocketAddress) -> Bool {
        let family: CInt =
            switch address {
            case .v4: AF_INET
            case .v6: AF_INET6
            case .unixDomainSocket: AF_UNIX
            }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let status = address.withSockAddr { pointer, size in connect(descriptor, pointer, socklen_t(size)) }
        if status == 0 { return true }
        guard errno == EINPROGRESS else { return false }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&wanted, 1, connectTimeout) == 1 else { return false }
        var error: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0
    }
}
