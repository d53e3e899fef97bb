import KVCore
import NIOCore

/// The node, as the listeners see it.
package protocol Backend: AnyObject, Sendable {
    /// Executes a request, whose caller is a `Caller`: it gets the request back on its loop, exactly once, with an
    /// outcome. To be called on that loop; it may be back before this returns.
    func execute(_ request: Request)

    /// Executes requests that one caller has sent together, as if one by one in this order. This can be cheaper.
    func execute(_ requests: [Request])

    /// The slots that partitions had when the cluster was created; of one partition while this node is not a member.
    /// Always the same. A request of a key names its partition by these: the shard knows what splits have made of it.
    var foundingSlots: SlotMap { get }

    /// Lists keys over the whole cluster. `reply` runs on `loop`, exactly once.
    func list(
        _ query: ListRequest, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    )

    /// How many keys there are. `reply` runs on `loop`, exactly once.
    func count(
        _ scope: KeyScope, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<Int, ListFailure>) -> Void
    )

    /// A snapshot of members, their states and the placement; nil while this node is not a member. `reply` runs on
    /// `loop`, exactly once.
    func view(on loop: any EventLoop, reply: @escaping @Sendable (ClusterView?) -> Void)

    /// What this node serves during `span`, counted from now on. `reply` runs on `loop`, exactly once.
    func load(
        over span: Nanoseconds, on loop: any EventLoop, reply: @escaping @Sendable (LoadReply) -> Void)

    /// Asks the coordinator, wherever it is; never answers `.notCoordinator`. `reply` runs on `loop`, exactly once, and
    /// within `timeout` or shortly after.
    func control(
        _ request: ControlRequest, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (ControlReply) -> Void)

    /// This node's id; always the same.
    var nodeID: String { get }
    /// The settings on which the cluster agreed when it was created; nil while this node is not a member. Each request
    /// that depends on them asks again.
    var settings: ClusterSettings? { get }
    /// Always the same.
    var limits: RequestLimits { get }
    /// Whether the node can serve now, for load balancers.
    var health: Health { get }
    /// The resources that the node uses and the keys that it holds, about now.
    var usage: NodeUsage { get }
}

/// Records that a node's disk has spoiled, since the node was started.
package struct DiskHealth: Hashable, Sendable {
    /// Records that were found to differ from what was written.
    package var damaged: Int
    /// Of these records, those that were fetched from another replica and written again.
    package var repaired: Int

    package init(damaged: Int = 0, repaired: Int = 0) {
        self.damaged = damaged
        self.repaired = repaired
    }
}

package struct NodeUsage: Sendable {
    /// The keys that it holds, as leader or replica.
    package var keys: PartitionUsage
    package var disk: DiskHealth
    /// Bytes of memory that the process has in use.
    package var memory: Int
    /// Processor time since the start.
    package var userTime: Nanoseconds
    package var systemTime: Nanoseconds

    package init(
        keys: PartitionUsage, disk: DiskHealth = DiskHealth(), memory: Int, userTime: Nanoseconds,
        systemTime: Nanoseconds
    ) {
        self.keys = keys
        self.disk = disk
        self.memory = memory
        self.userTime = userTime
        self.systemTime = systemTime
    }
}

/// The owner of requests, which gets them back when they have ended. A connection has one for all of its requests and
/// tells them apart by their tokens.
package final class Caller: Sendable {
    package let loop: any EventLoop
    /// The identity of the loop. It is compared for every request, and to compare the loop itself would count a
    /// reference.
    package let loopID: ObjectIdentifier
    /// Called on `loop` with each request that has ended.
    package let ended: @Sendable (Request) -> Void

    package init(on loop: any EventLoop, ended: @escaping @Sendable (Request) -> Void) {
        self.loop = loop
        loopID = ObjectIdentifier(loop)
        self.ended = ended
    }
}

/// The common part of requests that are begun together on a connection.
struct RequestSource {
    let caller: Caller
    /// See `Backend.foundingSlots`.
    let slots: SlotMap
}

extension Request {
    /// - Parameters:
    ///   - hash: the key's, where it is known.
    ///   - slots: `Backend.foundingSlots`.
    package convenience init(
        _ command: Command, key: Key, hash: KeyHash? = nil, slots: SlotMap, options: RequestOptions, caller: Caller,
        token: UInt64 = 0, allowance: Int = .max
    ) {
        self.init(
            command, key: key, hash: hash, partition: slots.partition(of: key.slot),
            options: options, caller: caller, token: token, allowance: allowance)
    }

    package convenience init(
        _ command: Command, key: Key, hash: KeyHash? = nil, partition: PartitionID, options: RequestOptions,
        caller: Caller, token: UInt64 = 0, allowance: Int = .max
    ) {
        self.init(
            command, key: key, hash: hash, partition: partition, consistency: options.consistency,
            limit: .within(options.timeout), redirects: options.redirects, allowance: allowance, caller: caller,
            token: token)
    }

    /// Makes another request like this one, because each is executed only once.
    /// - Parameters:
    ///   - command: replaces the command of this one.
    ///   - token: replaces the token of this one.
    ///   - allowance: replaces the allowance of this one. Bytes.
    func again(_ command: Command? = nil, token: UInt64? = nil, allowance: Int? = nil) -> Request {
        Request(
            command ?? self.command, key: key, hash: hash, partition: partition, consistency: consistency,
            limit: .within(timeout), redirects: redirects, allowance: allowance ?? self.allowance,
            caller: eventLoopCaller, token: token ?? self.token)
    }

    /// The caller of a request that a listener or this node has made.
    @inline(__always)
    package var eventLoopCaller: Caller {
        guard let caller else { preconditionFailure("a request of a client has somebody to tell") }
        return unsafeDowncast(caller, to: Caller.self)
    }
}

extension Backend {
    package func execute(_ requests: [Request]) { for request in requests { execute(request) } }
}

package struct RequestOptions: Sendable {
    package var consistency: Consistency
    package var timeout: Nanoseconds
    /// As `Request.redirects`.
    package var redirects = false

    package static let defaultTimeout = Nanoseconds.milliseconds(5000)
    /// The longest that may be asked for.
    package static let maximumTimeout = Nanoseconds.milliseconds(300_000)

    package init(consistency: Consistency = .linearizable, timeout: Nanoseconds = Self.defaultTimeout) {
        self.consistency = consistency
        self.timeout = timeout
    }
}

package struct RequestLimits: Sendable {
    /// Bytes.
    package var key: Int
    /// Bytes.
    package var value: Int

    package init(key: Int, value: Int) {
        self.key = key
        self.value = value
    }
}

package struct ListRequest: Sendable {
    package var prefix: [UInt8]
    /// The end of the last page; nil for the first page.
    package var cursor: ListCursor?
    /// `1 ... ListQuery.maximumLimit`.
    package var limit: Int
    package var values: Bool
    package var scope: KeyScope
    package var timeout: Nanoseconds

    /// Bytes of keys and values after which a page with values ends, short of its limit.
    package static let pageBytes = 8 << 20

    package init(
        prefix: [UInt8], cursor: ListCursor?, limit: Int, values: Bool, scope: KeyScope = .cluster, timeout: Nanoseconds
    ) {
        self.prefix = prefix
        self.cursor = cursor
        self.limit = limit
        self.values = values
        self.scope = scope
        self.timeout = timeout
    }
}

/// A place in ring order: after a key, or at the beginning of the partition that has a slot. It names no partition,
/// because the nodes that a listing goes through may know of different splits.
///
/// A cursor without a key that a client is given is at the beginning of a partition that the cluster was created with:
/// a partition begins there at every node.
package struct ListCursor: Hashable, Sendable {
    /// The key's, if there is a key.
    package let slot: Slot
    package let key: Key?

    package init(slot: Slot) {
        self.slot = slot
        key = nil
    }

    package init(after key: Key) {
        slot = key.slot
        self.key = key
    }
}

package struct ListReply: Sendable {
    /// The keys, in ring order; with records only if values were asked for.
    package var entries: [(key: Key, record: Record?)]
    /// Nil at the end.
    package var next: ListCursor?

    package init(entries: [(key: Key, record: Record?)], next: ListCursor?) {
        self.entries = entries
        self.next = next
    }
}

package struct ListFailure: Error, Sendable {
    package var refusal: Refusal

    package init(refusal: Refusal) { self.refusal = refusal }
}

package enum Health: Sendable {
    case ready
    /// It serves, but something is wrong.
    case warned(String)
    case notReady(String)
}

/// The state of the cluster that `/v1/ring`, `/v1/nodes` and `/v1/topology` show.
package struct ClusterView: Sendable {
    package var topology: Topology
    /// By member, in the topology's order.
    package var nodes: [NodeView]
    /// By partition; nil where this node knows of no leader.
    package var leaders: [NodeNumber?]
    /// Nodes that wait to be admitted.
    package var pendingNodes: [PendingNode]
    /// The change under way, as far as this node knows of its progress.
    package var plan: PlanStatus?
    /// Who leads the metadata quorum, if this node knows.
    package var coordinator: NodeNumber?

    package init(
        topology: Topology, nodes: [NodeView], leaders: [NodeNumber?], pendingNodes: [PendingNode] = [],
        plan: PlanStatus? = nil, coordinator: NodeNumber? = nil
    ) {
        self.topology = topology
        self.nodes = nodes
        self.leaders = leaders
        self.pendingNodes = pendingNodes
        self.plan = plan
        self.coordinator = coordinator
    }
}

package struct NodeView: Sendable {
    package var number: NodeNumber
    /// The state as the answering node sees it. Users see it together with the membership status.
    package var state: Liveness
    /// The usage that the node itself last reported; nil before its first report.
    package var usage: PartitionUsage?

    package init(number: NodeNumber, state: Liveness, usage: PartitionUsage?) {
        self.number = number
        self.state = state
        self.usage = usage
    }
}

extension Outcome {
    /// Bytes of the value that a read has found; 0 for all else.
    var valueSize: Int { if case .found(let record) = self { record.value?.count ?? 0 } else { 0 } }
}

extension ClusterView {
    /// The node that cluster clients take for the master of a partition: its leader if that is known, and otherwise the
    /// preferred leader, who is to lead it next.
    func master(_ place: Int) -> NodeNumber? {
        guard topology.assignments.indices.contains(place) else { return nil }
        let leader = place < leaders.count ? leaders[place] : nil
        return leader.flatMap { topology.member($0)?.number } ?? topology.assignments[place].replicas.first
    }

    /// The slots of each partition, ascending, with its place.
    var placesBySlots: [(slots: ClosedRange<Slot>, place: Int)] {
        let map = topology.slots
        return topology.assignments.indices
            .compactMap { place in map.slots(of: map.partition(at: place)).map { (slots: $0, place: place) } }
            .sorted { $0.slots.lowerBound < $1.slots.lowerBound }
    }

    /// The slots of the partitions whose master a node is. Each slot is in the share of exactly one node.
    func share(of node: NodeNumber) -> KeyScope {
        .slots(placesBySlots.filter { master($0.place) == node }.map(\.slots))
    }
}
