import KVCore
import KVStorage
import KVWire
import Synchronization

/// Remembers on disk which store each peer has and how often it has started. So this node notices a peer whose store
/// has forgotten what it promised: one that was wiped, restored from an older copy, or copied.
///
/// etcd refuses a restored member in the same way: what a member had promised, others know only by what they have seen
/// of it.
final class KnownPeers: Sendable {
    private struct Known {
        var store: UUID128
        /// The number of the latest start seen; 0 before the first.
        var boot: UInt64 = 0
        /// The random number of that start; nil when the peer's version of the protocol does not send it.
        var nonce: UInt64?
        /// The progress seen of the store, by shard: the number of a batch that was on its disk.
        var progress: [UInt64] = []
        /// True when `progress` is on disk here.
        var isKept = true
    }

    private enum Entry {
        static func store(_ node: NodeNumber) -> String { "peer.\(node.raw)" }
        static func start(_ node: NodeNumber) -> String { "start.\(node.raw)" }
        static func progress(_ node: NodeNumber) -> String { "progress.\(node.raw)" }
    }

    private let file: IdentityFile
    private let nodeID: String
    /// Never held during a write, since event loops read it.
    private let known: Mutex<[NodeNumber: Known]>
    /// Serializes writes. Each one checks `known` again before it writes.
    private let writing = Mutex(())
    /// True while a call of `keepProgress` is still to come.
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

    /// Notes that a connected peer has a batch of one of its shards on disk. Does not block.
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

    /// True when the caller must call `keepProgress`, on a thread that may block: there is something to keep, and no
    /// call is already to come. (On a disk that hangs, calls would pile up.)
    func beginKeepingProgress() -> Bool {
        guard hasProgressToKeep else { return false }
        return isKeeping.withLock { isKeeping in
            defer { isKeeping = true }
            return !isKeeping
        }
    }

    /// Writes the peers' progress to disk. Blocks.
    /// - Returns: what went wrong, in words; nil for nothing.
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

    /// Says why `member`, whose store the topology does not have, may not take part with this store; nil if it may. The
    /// first store seen of a node is its own from then on: a node that lost its data has forgotten what it promised,
    /// and must not vote. Blocks if it is the first.
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

    /// True when nothing of this introduction is new, so that nothing has to be written. Does not block.
    func knows(_ peer: Introduction) -> Bool {
        guard let held = held(peer.node), held.store == peer.store else { return false }
        return !isNews(peer, to: held)
    }

    private func held(_ node: NodeNumber) -> Known? { known.withLock { $0[node] } }

    /// The notes about the peer's store. Notes about another store of the same node do not count.
    private static func held(of peer: Introduction, in known: [NodeNumber: Known]) -> Known {
        if let held = known[peer.node], held.store == peer.store { held } else { Known(store: peer.store) }
    }

    private func isNews(_ peer: Introduction, to held: Known) -> Bool {
        peer.boot > held.boot || held.nonce == nil && nonce(of: peer) != nil
    }

    private func nonce(of peer: Introduction) -> UInt64? { peer.starts.last { $0.boot == peer.boot }?.nonce }

    /// Says why a member with this introduction may not take part; nil if it may. Blocks if the member has started
    /// again since it was last seen: a start counts only when it is on disk.
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

    /// Objects to a store that is a copy: it has started fewer times than was seen, its start of the number that was
    /// seen is another one, or it began a later start with less than was seen on its disk.
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
