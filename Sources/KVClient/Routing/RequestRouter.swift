import KVModel
import Logging
import NIOCore
import Synchronization

/// Chooses the node for each request. All tasks share it, and hold its lock only briefly.
final class RequestRouter: Sendable {
    /// The number of operations on keys that go to the endpoints before the map is fetched: a program with few
    /// operations does not wait for it.
    static let operationsBeforeMap = 4
    /// The least time between two fetches of the map.
    static let refreshInterval = TimeAmount.milliseconds(500)

    /// The node for a request.
    struct Route {
        var pool: NodePool
        /// The id of the node that should execute the request; nil if the map does not say.
        var expected: String?
        /// The number of nodes that can be asked after this one.
        var others: Int
        /// The map should be fetched: it is outdated, or there is none and there have been enough operations.
        var wantsMap: Bool
    }

    private struct State {
        /// The endpoints in order of preference. They are never removed.
        var endpoints: [NodePool] = []
        /// The index of the endpoint that answered last. Requests that the map does not route start there.
        var preferred = 0
        /// All known nodes, by address.
        var pools: [Address: NodePool] = [:]
        var map: RouteMap?
        /// The number of operations on keys so far; no longer counted once there is a map.
        var operations = 0
        /// Counts stale reads, to spread them over the replicas.
        var turn = 0
        /// Since the last fetch began, something has shown that the map is no longer right.
        var isOutdated = false
        var isRefreshing = false
        var refreshAgain = NIODeadline.uptimeNanoseconds(0)
        var isClosed = false
    }

    private let state = Mutex(State())
    private let limits: ConnectionLimits
    private let group: any EventLoopGroup
    private let followsLeaders: Bool
    private let logger: Logger

    init(
        _ endpoints: [Address], limits: ConnectionLimits, followsLeaders: Bool, group: any EventLoopGroup,
        logger: Logger
    ) {
        self.logger = logger
        self.limits = limits
        self.followsLeaders = followsLeaders
        self.group = group
        addEndpoints(endpoints)
    }

    func addEndpoints(_ addresses: [Address]) {
        state.withLock { state in
            for address in addresses {
                let pool = pool(address, &state)
                if !state.endpoints.contains(pool) { state.endpoints.append(pool) }
            }
        }
    }

    private func pool(_ address: Address, _ state: inout State) -> NodePool {
        if let pool = state.pools[address] { return pool }
        let pool = NodePool(address, limits: limits, logger) { group.next() }
        if state.isClosed { pool.close(isAbrupt: true) }
        state.pools[address] = pool
        return pool
    }

    /// - Returns: all pools, for the caller to close. Pools that are made later are closed from the beginning.
    func close() -> [NodePool] {
        state.withLock { state in
            state.isClosed = true
            return Array(state.pools.values)
        }
    }

    // MARK: Choosing

    /// The node for a request after `tried` could not execute it; nil if no node is left.
    func route(_ request: Request, after tried: [NodePool]) -> Route? {
        state.withLock { state in
            // Some of `tried` may have left the cluster meanwhile, so the difference can be negative.
            let others = max(state.pools.count - tried.count - 1, 0)
            if let slot = request.slot, let node = node(slot, request, tried, &state), let pool = node.pool {
                return Route(
                    pool: pool, expected: request.isStale ? nil : node.id, others: others, wantsMap: state.isOutdated)
            }
            guard let pool = anyone(tried, state) else { return nil }
            return Route(pool: pool, expected: nil, others: others, wantsMap: state.isOutdated)
        }
    }

    private func node(_ slot: Slot, _ request: Request, _ tried: [NodePool], _ state: inout State) -> RouteMap.Node? {
        guard let map = state.map else {
            if tried.isEmpty { state.operations += 1 }
            if state.operations > Self.operationsBeforeMap { state.isOutdated = true }
            return nil
        }
        let isUsable = { (node: RouteMap.Node) in
            node.pool.map { !$0.isDown && !tried.contains($0) } ?? false
        }
        guard request.isStale else { return map.node(for: slot, isUsable: isUsable) }
        state.turn &+= 1
        return map.replica(for: slot, turn: state.turn & 0xFFFF, isUsable: isUsable)
    }

    /// An endpoint, or else a member. One that is down is chosen only if all others are down as well.
    private func anyone(_ tried: [NodePool], _ state: State) -> NodePool? {
        if state.endpoints.indices.contains(state.preferred) {
            let pool = state.endpoints[state.preferred]
            if tried.isEmpty, !pool.isDown { return pool }
        }
        let count = state.endpoints.count
        let endpoints = (0..<count).lazy.map { state.endpoints[(state.preferred + $0) % count] }
        let members = state.map?.nodes.compactMap(\.pool) ?? []
        let left = (Array(endpoints) + members).filter { !tried.contains($0) }
        return left.first { !$0.isDown } ?? left.first
    }

    // MARK: Learning

    /// Records that an endpoint has answered a request that the map did not route.
    func answered(_ pool: NodePool) {
        state.withLock { state in
            guard state.endpoints.indices.contains(state.preferred), state.endpoints[state.preferred] != pool,
                let index = state.endpoints.firstIndex(of: pool)
            else { return }
            state.preferred = index
        }
    }

    /// Records that a node has executed, as leader, a request that was sent to another.
    func heard(_ id: String, leads slot: Slot) {
        state.withLock { _ = $0.map?.heard(id, leads: slot) }
    }

    /// Marks the map as outdated.
    func outdate() { state.withLock { if $0.map != nil { $0.isOutdated = true } } }

    /// Whether the map should be fetched now. If true, `adopt` or `couldNotRefresh` must follow.
    func beginRefresh() -> Bool {
        guard followsLeaders else { return false }
        return state.withLock { state in
            guard state.isOutdated, !state.isClosed, !state.isRefreshing else { return false }
            let now = NIODeadline.now()
            guard now >= state.refreshAgain else { return false }
            state.isRefreshing = true
            state.isOutdated = false
            state.refreshAgain = now + Self.refreshInterval
            return true
        }
    }

    func couldNotRefresh() {
        state.withLock { state in
            state.isRefreshing = false
            state.isOutdated = true
        }
    }

    /// - Parameter source: the node that answered.
    func adopt(_ ring: RingDocument, from source: Address) {
        let forgotten = state.withLock { state -> [NodePool] in
            state.isRefreshing = false
            guard !state.isClosed else { return [] }
            let map = RouteMap(ring) { address in
                // A loopback address that another machine advertises means that machine. Here it could be another
                // cluster.
                let isHere = !address.isUnspecified && (!address.isLoopback || source.isLoopback)
                return isHere ? pool(address, &state) : nil
            }
            guard let map else {
                state.isOutdated = true
                return []
            }
            state.map = map
            let kept = state.endpoints + map.nodes.compactMap(\.pool)
            let forgotten = state.pools.filter { !kept.contains($0.value) }
            for address in forgotten.keys { state.pools[address] = nil }
            return Array(forgotten.values)
        }
        for pool in forgotten { pool.close(isAbrupt: false) }
    }
}
