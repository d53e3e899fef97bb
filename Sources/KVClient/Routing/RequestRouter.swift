import KVModel
import NIOCore
import Synchronization

/// Which node each request goes to. Shared by all tasks; what the lock guards is looked at briefly.
final class RequestRouter: Sendable {
    /// How many operations on keys go by the endpoints alone, before the map is asked for: who makes only a few does
    /// not pay for it.
    static let operationsBeforeMap = 4
    /// Least time between two fetches of the map.
    static let refreshInterval = TimeAmount.milliseconds(500)

    /// Where a request goes.
    struct Route {
        var pool: NodePool
        /// The node that is to carry it out, where the map says so.
        var expected: String?
        /// How many nodes there are to ask after this one.
        var others: Int
        /// The map is known to be outdated, or there have been enough operations to ask for the first.
        var wantsMap: Bool
    }

    private struct State {
        /// In order of preference. Never fewer than at the beginning.
        var endpoints: [NodePool] = []
        /// The endpoint that answered last, from which requests start that the map does not route.
        var preferred = 0
        /// All nodes known, by address.
        var pools: [Address: NodePool] = [:]
        var map: RouteMap?
        /// Operations on keys so far, until there is a map.
        var operations = 0
        /// Counts stale reads, to spread them.
        var turn = 0
        /// Something has shown that the map is not right any more, since its last fetch began.
        var isOutdated = false
        var isRefreshing = false
        var refreshAgain = NIODeadline.uptimeNanoseconds(0)
        var isClosed = false
    }

    private let state = Mutex(State())
    private let limits: ConnectionLimits
    private let group: any EventLoopGroup
    private let followsLeaders: Bool

    init(_ endpoints: [Address], limits: ConnectionLimits, followsLeaders: Bool, group: any EventLoopGroup) {
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
        let pool = NodePool(address, limits: limits, loop: group.next())
        if state.isClosed { pool.close(isAbrupt: true) }
        state.pools[address] = pool
        return pool
    }

    /// - Returns: all there are, to be closed. There will be no others that are open.
    func close() -> [NodePool] {
        state.withLock { state in
            state.isClosed = true
            return Array(state.pools.values)
        }
    }

    // MARK: Choosing

    /// Where a request goes that `tried` could not carry out; nil where nobody is left.
    func route(_ request: Request, after tried: [NodePool]) -> Route? {
        state.withLock { state in
            // Some of `tried` may have left the cluster meanwhile.
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

    /// An endpoint, or else a member; those that are down only where there is no other.
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

    /// An endpoint has answered a request that the map did not route.
    func answered(_ pool: NodePool) {
        state.withLock { state in
            guard state.endpoints.indices.contains(state.preferred), state.endpoints[state.preferred] != pool,
                let index = state.endpoints.firstIndex(of: pool)
            else { return }
            state.preferred = index
        }
    }

    /// A node has carried out, as leader, what another was asked for.
    func heard(_ id: String, leads slot: Slot) {
        state.withLock { _ = $0.map?.heard(id, leads: slot) }
    }

    /// Something has shown that the map is not right any more.
    func outdate() { state.withLock { if $0.map != nil { $0.isOutdated = true } } }

    /// Whether the map is to be fetched now. Then `adopt` or `couldNotRefresh` has to follow.
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

    /// - Parameter source: where it was asked for.
    func adopt(_ ring: RingDocument, from source: Address) {
        let forgotten = state.withLock { state -> [NodePool] in
            state.isRefreshing = false
            guard !state.isClosed else { return [] }
            let map = RouteMap(ring) { address in
                // "127.0.0.1" said by another machine is that machine's own, and would be another cluster here.
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
