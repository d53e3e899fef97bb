import KVCore
import KVStorage
import KVWire
import Synchronization

/// Remembers, on disk, which store each peer has and how often that has started, so that a peer whose store has
/// forgotten what it promised is noticed: one that was wiped, put back from an older copy, or copied beside itself.
///
/// etcd refuses a member that is put back in the same way: what a member had promised is known to others only by what
/// they have seen of it.
final class KnownPeers: Sendable {
    private struct Known {
        var store: UUID128
        /// Of the latest start seen; 0 where none was.
        var boot: UInt64 = 0
        /// Nil where the peer spoke a version of the protocol that does not say it.
        var nonce: UInt64?
        /// How far the store was seen to have come, by shard: the number of a batch that was on its disk.
        var progress: [UInt64] = []
        /// Whether that is on disk here.
        var isKept = true
    }

    private enum Entry {
        static func store(_ node: NodeNumber) -> String { "peer.\(node.raw)" }
        static func start(_ node: NodeNumber) -> String { "start.\(node.raw)" }
        static func progress(_ node: NodeNumber) -> String { "progress.\(node.raw)" }
    }

    private let file: IdentityFile
    private let nodeID: String
    /// Never held while anything is written: event loops look at it.
    private let known: Mutex<[NodeNumber: Known]>
    /// One is written down at a time, and looked at once more before it is.
    private let writing = Mutex(())
    /// A call of `keepProgress` is to come.
    private let isKeeping = Mutex(false)

    init(_ file: IdentityFile, nodeID: String, members: [Member]) {
        self.file = file
        self.nodeID = nodeID
        var known: [NodeNumber: Known] = [:]
        for member in members {
            known[member.number] = Self.read(member.number, file)
        }
        self.known = Mutex(known)
    }

    private static func read(_ node: NodeNumber, _ file: IdentityFile) -> Known? {
        let words = String(decoding: file.entry(Entry.start(node)) ?? [], as: UTF8.self).split(separator: " ")
        if words.count == 3, let store = UUID128(String(words[0])), let boot = UInt64(words[1]) {
            let known = Known(store: store, boot: boot, nonce: UInt64(words[2], radix: 16))
            return Self.read(progressOf: node, known, file)
        }
        let store = UUID128(String(decoding: file.entry(Entry.store(node)) ?? [], as: UTF8.self))
        return store.map { Known(store: $0) }
    }

    private static func read(progressOf node: NodeNumber, _ known: Known, _ file: IdentityFile) -> Known {
        let words = String(decoding: file.entry(Entry.progress(node)) ?? [], as: UTF8.self).split(separator: " ")
        guard let first = words.first, UUID128(String(first)) == known.store else { return known }
        var known = known
        known.progress = words.dropFirst().map { UInt64($0) ?? 0 }
        return known
    }

    /// A peer in touch has said that a batch of one of its shards is on its disk. Does not block.
    func advanced(_ node: NodeNumber, shard: Int, to batch: UInt64) {
        guard (0..<ShardPosition.maximumCount).contains(shard) else { return }
        known.withLock { known in
            guard var held = known[node] else { return }
            while held.progress.count <= shard { held.progress.append(0) }
            guard batch > held.progress[shard] else { return }
            held.progress[shard] = batch
            held.isKept = false
            known[node] = held
        }
    }

    var hasProgressToKeep: Bool { known.withLock { $0.values.contains { !$0.isKept } } }

    /// Whether `keepProgress` is to be called, by a thread that may block: there is something to keep, and no call is
    /// to come already. (On a disk that hangs they would pile up.)
    func beginKeepingProgress() -> Bool {
        guard hasProgressToKeep else { return false }
        return isKeeping.withLock { isKeeping in
            defer { isKeeping = true }
            return !isKeeping
        }
    }

    /// Writes down how far peers have come. Blocks.
    /// - Returns: what went wrong, in words.
    func keepProgress() -> String? {
        isKeeping.withLock { $0 = false }
        return writing.withLock { _ in
            let news = known.withLock { $0.filter { !$0.value.isKept } }
            for (node, held) in news.sorted(by: { $0.key < $1.key }) {
                let text = (["\(held.store)"] + held.progress.map(String.init)).joined(separator: " ")
                let failure = write(Entry.progress(node), text, of: "\(node)") {
                    known.withLock { if $0[node]?.progress == held.progress { $0[node]?.isKept = true } }
                }
                if let failure { return failure }
            }
            return nil
        }
    }

    /// Why `member`, whose store the topology does not name, may not take part with this one; nil where it may. The
    /// first store seen of a node is its own from then on: one that lost its data has forgotten what it promised, and
    /// must not vote. Blocks where it is the first.
    func objection(to store: UUID128, of member: Member) -> String? {
        func objection(_ held: Known) -> String? {
            held.store == store ? nil : PeerPolicy.otherStore(of: member.id, store, known: held.store, to: nodeID)
        }
        if let held = held(member.number) { return objection(held) }
        return writing.withLock { _ in
            if let held = held(member.number) { return objection(held) }
            return write(Entry.store(member.number), "\(store)", of: member.id) {
                known.withLock { $0[member.number] = Known(store: store) }
            }
        }
    }

    /// Whether nothing has to be written down of who says this of itself. Does not block.
    func knows(_ peer: Introduction) -> Bool {
        guard let held = held(peer.node), held.store == peer.store else { return false }
        return !isNews(peer, to: held)
    }

    private func held(_ node: NodeNumber) -> Known? { known.withLock { $0[node] } }

    /// What is known of a peer's store; of another store of the same node it says nothing.
    private static func held(of peer: Introduction, in known: [NodeNumber: Known]) -> Known {
        if let held = known[peer.node], held.store == peer.store { held } else { Known(store: peer.store) }
    }

    private func isNews(_ peer: Introduction, to held: Known) -> Bool {
        peer.boot > held.boot || held.nonce == nil && nonce(of: peer) != nil
    }

    private func nonce(of peer: Introduction) -> UInt64? { peer.starts.last { $0.boot == peer.boot }?.nonce }

    /// Why a member that says this of itself may not take part; nil where it may. Blocks where it has started anew
    /// since it was last seen: no start counts before it is on disk that there was one.
    func objection(toStartOf peer: Introduction) -> Objection? {
        let id = printable(peer.nodeID)
        func heldOfStore() -> Known { known.withLock { Self.held(of: peer, in: $0) } }
        func objection(_ held: Known) -> Objection? {
            Self.objection(to: peer, id, held, nodeID)
        }
        let first = heldOfStore()
        if let objection = objection(first) { return objection }
        guard isNews(peer, to: first) else { return nil }
        return writing.withLock { _ in
            let held = heldOfStore()
            if let objection = objection(held) { return objection }
            guard isNews(peer, to: held) else { return nil }
            let nonce = nonce(of: peer)
            let said = "\(peer.store) \(peer.boot) \(nonce.map { String($0, radix: 16) } ?? "-")"
            let failure = write(Entry.start(peer.node), said, of: id) {
                known.withLock { known in
                    var held = Self.held(of: peer, in: known)
                    (held.boot, held.nonce) = (peer.boot, nonce)
                    known[peer.node] = held
                }
            }
            return failure.map { Objection(.unspecified, $0) }
        }
    }

    /// A store that has started less often than it was seen to, or another time than the one that was seen, is a copy.
    /// So is one that began, at a later start, with less than was seen to be on its disk.
    private static func objection(
        to peer: Introduction, _ id: String, _ held: Known, _ me: String
    ) -> Objection? {
        let (boot, nonce) = (held.boot, held.nonce)
        let remedy =
            """
            it may have forgotten what it promised, so it cannot vote; use the newest copy of its data directory or, \
            where that is lost, start \(id) with an empty one and --seed, and run `kv join \(id) --replace \(id)`
            """
        guard peer.boot >= boot else {
            return Objection(
                .outdatedStore,
                """
                the data directory of \(id) is an older copy: it has been started \(peer.boot) times, and \(me) has seen \
                it started \(boot) times; \(remedy)
                """)
        }
        guard let nonce, let claimed = peer.starts.first(where: { $0.boot == boot }), claimed.nonce != nonce else {
            guard peer.boot > boot,
                let shard = zip(held.progress, peer.progress).enumerated().first(where: { $1.0 > $1.1 })
            else { return nil }
            return Objection(
                .outdatedStore,
                """
                the data directory of \(id) is an older copy, made while \(id) ran: it has \(shard.element.1) batches in \
                shard-\(shard.offset), and \(me) has seen \(shard.element.0) on its disk; \(remedy)
                """)
        }
        guard peer.boot > boot else {
            return Objection(
                .outdatedStore,
                """
                the data directory of \(id) is a copy of another, or was put back from one: \(me) has seen another process \
                begin as its start number \(boot); if that one runs, stop this one for good; else \(remedy)
                """)
        }
        return Objection(
            .outdatedStore,
            """
            the data directory of \(id) is a copy of an older one: its start number \(boot) is not the one that \(me) \
            has seen; \(remedy)
            """)
    }

    private func write(_ entry: String, _ text: String, of id: String, then: () -> Void) -> String? {
        do throws(StoreError) {
            try file.setEntry(entry, Array(text.utf8))
        } catch {
            return "\(nodeID) could not write down what it has seen of \(id): \(error)"
        }
        then()
        return nil
    }
}
