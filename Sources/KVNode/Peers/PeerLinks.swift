import KVCore
import KVWire
import Logging
import NIOCore

/// The links of one shard to all other members, kept in step with the topology. Confined to an event loop.
final class PeerLinks {
    /// The time for which the link to a removed member stays, so that the member hears of its removal.
    static let farewell = TimeAmount.seconds(2)

    private let shard: ShardPosition
    private let me: NodeNumber
    private let loop: any EventLoop
    private let policy: PolicyBox
    private let options: PeerLinkOptions
    private let reasons: ReasonLog
    private let logger: Logger
    private let events: Events
    private var links: [NodeNumber: PeerLink] = [:]
    /// The links to members that were removed a moment ago.
    private var parting: [ObjectIdentifier: PeerLink] = [:]
    private var isStopped = false

    struct Events {
        /// The link is up, to a process with this introduction. Never called from within a method.
        var up: (NodeNumber, Introduction) -> Void
        var down: (NodeNumber) -> Void
        /// The peer refused this node.
        var refused: (Objection) -> Void
    }

    init(
        of me: NodeNumber, shard: ShardPosition, on loop: any EventLoop, policy: PolicyBox,
        options: PeerLinkOptions = PeerLinkOptions(), reasons: ReasonLog, logger: Logger, events: Events
    ) {
        self.me = me
        self.shard = shard
        self.loop = loop
        self.policy = policy
        self.options = options
        self.reasons = reasons
        self.logger = logger
        self.events = events
    }

    var count: Int { links.count }
    var peers: some Collection<NodeNumber> { links.keys }

    subscript(peer: NodeNumber) -> PeerLink? { links[peer] }

    /// Keeps links to the members of `topology` and to no others.
    /// - Returns: the members that no longer have a link. `farewell` is the last message to them.
    @discardableResult
    func adopt(_ topology: Topology, farewell: EncodedMessage? = nil) -> [NodeNumber] {
        guard !isStopped else { return [] }
        var wanted: [NodeNumber: PeerTarget] = [:]
        for member in topology.reachableMembers where member.number != me {
            wanted[member.number] = PeerTarget(member)
        }
        let removed = links.keys.filter { wanted[$0] == nil }.sorted()
        for peer in removed { part(from: peer, saying: topology.member(peer) == nil ? farewell : nil) }
        for (peer, target) in wanted where links[peer]?.target != target {
            links.removeValue(forKey: peer)?.stop()
            let link = makeLink(to: peer, target)
            links[peer] = link
            link.start()
        }
        return removed
    }

    private func makeLink(to peer: NodeNumber, _ target: PeerTarget) -> PeerLink {
        PeerLink(
            to: target, policy: policy, shard: shard, on: loop, options: options, reasons: reasons, logger: logger,
            onUp: { [events] in events.up(peer, $0) }, onDown: { [events] _ in events.down(peer) },
            onRefusal: { [events] in events.refused($0) })
    }

    private func part(from peer: NodeNumber, saying farewell: EncodedMessage?) {
        guard let link = links.removeValue(forKey: peer) else { return }
        reasons.forget(link.target.name)
        guard let farewell, link.isUp else { return link.stop() }
        link.send(farewell)
        link.flush()
        let name = ObjectIdentifier(link)
        parting[name] = link
        loop.assumeIsolated().scheduleTask(in: Self.farewell) { self.parting.removeValue(forKey: name)?.stop() }
    }

    /// Sends what was queued, at the end of a tick.
    func flush() {
        for link in links.values { link.flush() }
    }

    func stop() {
        isStopped = true
        for link in links.values { link.stop() }
        for link in parting.values { link.stop() }
        links = [:]
        parting = [:]
    }
}

extension Topology {
    /// The members without those whose address another one has taken: a node that starts anew in its old place is
    /// admitted before its former self is removed.
    var reachableMembers: [Member] {
        let takers = Dictionary(members.map { ($0.peer, $0.number) }, uniquingKeysWith: max)
        return members.filter { takers[$0.peer] == $0.number }
    }
}
