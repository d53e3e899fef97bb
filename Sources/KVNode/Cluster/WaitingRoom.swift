import KVAPI
import KVConfig
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// A node that waits to be admitted to a cluster. It announces itself to the members at its seeds, tells clients that
/// it cannot serve yet, and waits for the topology that names it. It has no shards.
///
/// Sendable because all mutable state is used only on `loop`.
final class WaitingRoom: @unchecked Sendable {
    /// The interval of announcements and of lookups of the seeds.
    private static let interval = TimeAmount.seconds(1)
    /// The most addresses to announce to; further addresses of the seeds are ignored.
    private static let maximumLinks = 64

    private let base: NodeBase
    private let loop: any EventLoop
    private let policy: PolicyBox
    private let pendingNode: PendingNode
    private let onStoreFailure: @Sendable (StoreError) -> Void
    private let onTurn: @Sendable (NodeMain.Turn) -> Void
    private var links: [Address: PeerLink] = [:]
    private var isResolving = false
    private var timer: RepeatedTask?
    private var isDone = false
    private var peers: PeerServer?
    private var clientListener: ClientListener?

    /// Opens the listeners that the node will have as a member, and returns.
    ///
    /// - Parameter onTurn: called once, when the node is admitted (the topology is on disk then) or has been removed.
    /// - Throws: `NodeError`
    static func open(
        _ base: NodeBase, onStoreFailure: @escaping @Sendable (StoreError) -> Void,
        onTurn: @escaping @Sendable (NodeMain.Turn) -> Void
    ) async throws -> WaitingRoom {
        let waitingRoom = WaitingRoom(base, onStoreFailure, onTurn)
        let peers: PeerServer
        do {
            peers = try await PeerServer.start(
                on: base.configuration.node.peer, group: base.group, policy: waitingRoom.policy, reasons: base.reasons,
                logger: base.logger, deliver: { _, messages in waitingRoom.deliver(messages) })
        } catch {
            throw NodeError(.unavailable, "\(error)")
        }
        do {
            let clientListener = try await ClientListener.open(
                base.configuration.node.client, group: base.group,
                backend: WaitingRoomBackend(
                    nodeID: base.configuration.node.id,
                    limits: RequestLimits(key: base.limits.key, value: base.limits.value), advice: waitingRoom.advice),
                facts: base.facts, redis: base.configuration.redis, replies: base.configuration.limits.replies,
                wallClock: { Clock.machineWall }, reasons: base.reasons, logger: base.logger)
            try await waitingRoom.loop.submit { waitingRoom.start(peers, clientListener) }.get()
        } catch {
            await peers.stop()
            throw error
        }
        return waitingRoom
    }

    private init(
        _ base: NodeBase, _ onStoreFailure: @escaping @Sendable (StoreError) -> Void,
        _ onTurn: @escaping @Sendable (NodeMain.Turn) -> Void
    ) {
        self.base = base
        self.onStoreFailure = onStoreFailure
        self.onTurn = onTurn
        loop = base.group.next()
        policy = base.policy(nil, nil)
        let node = base.configuration.node
        pendingNode = PendingNode(
            id: node.id, client: node.reachableClient, peer: node.reachablePeer, zone: node.zone, weight: node.weight,
            store: base.directory.store, boot: base.directory.boot,
            admitsItself: base.configuration.role == .pendingNode(admitsItself: true))
    }

    /// Says what the node waits for, and what to do.
    var advice: String {
        let cluster = base.configuration.clusterName ?? "the cluster of its seeds"
        return pendingNode.admitsItself
            ? "waiting to be admitted to \(cluster): it has asked, and the members will let it in"
            : "waiting to be admitted to \(cluster): run `kv join \(pendingNode.id)`"
    }

    private func start(_ peers: PeerServer, _ clientListener: ClientListener) {
        self.peers = peers
        self.clientListener = clientListener
        let listed = base.configuration.nodes.map(\.id)
        let isListed = listed.isEmpty || listed.contains(pendingNode.id)
        base.logger.notice(
            "\(isListed ? advice : "\(advice); if it is one of those that the file lists (\(listed.joined(separator: ", "))), correct --node")",
            metadata: [
                "node": "\(pendingNode.id)", "client": "\(base.configuration.node.client)",
                "peer": "\(base.configuration.node.peer)",
                "seeds": "\(base.configuration.seeds.map(\.description).joined(separator: ", "))",
                "data": "\(base.directory.path)",
            ])
        timer = loop.scheduleRepeatedTask(initialDelay: .zero, delay: Self.interval) { [weak self] _ in
            self?.onTimer()
        }
    }

    /// Closes everything, so that the addresses are free for the member's listeners.
    func close() async {
        let (peers, clientListener) = await stop()
        await clientListener?.stopAccepting()
        await clientListener?.close()
        await peers?.stop()
    }

    private func stop() async -> (PeerServer?, ClientListener?) {
        let parts = try? await loop.submit { [self] in
            isDone = true
            timer?.cancel()
            for link in links.values { link.stop() }
            links = [:]
            defer { (peers, clientListener) = (nil, nil) }
            return (peers, clientListener)
        }.get()
        return parts ?? (nil, nil)
    }

    private func onTimer() {
        for link in links.values {
            link.send(.node(.cluster(.announce(pendingNode))))
            link.flush()
        }
        resolveSeeds()
    }

    // MARK: Seeds

    private func resolveSeeds() {
        guard !isResolving else { return }
        isResolving = true
        let seeds = base.configuration.seeds
        base.namePool.submit { [self] _ in
            let found = seeds.map { seed in
                (seed, Result { () throws(ResolutionError) in try Resolver.resolve(seed) })
            }
            loop.execute { [self] in resolved(found) }
        }
    }

    private func resolved(_ found: [(Address, Result<[SocketAddress], ResolutionError>)]) {
        isResolving = false
        guard !isDone else { return }
        var targets: [Address: PeerTarget] = [:]
        for (seed, result) in found {
            do throws(ResolutionError) {
                for resolved in try result.get() where targets.count < Self.maximumLinks {
                    guard let host = resolved.ipAddress, let port = resolved.port else { continue }
                    let address = Address(host: host, port: port)
                    targets[address] = targets[address] ?? PeerTarget(seed: seed, at: address)
                }
                base.reasons.forget("seed \(seed)")
            } catch {
                base.reasons.say("the seed \(error); trying again", of: "seed \(seed)")
            }
        }
        for (address, link) in links where targets[address] == nil {
            // While a name does not resolve, its last address may still be right.
            guard !link.isUp else { continue }
            link.stop()
            links[address] = nil
        }
        for (address, target) in targets where links[address] == nil { links[address] = link(to: target) }
    }

    private func link(to target: PeerTarget) -> PeerLink {
        let link = PeerLink(
            to: target, policy: policy, shard: ShardPosition(index: 0, count: 1), on: loop, reasons: base.reasons,
            logger: base.logger,
            onUp: { [weak self] _ in self?.onTimer() }, onDown: { _ in },
            onRefusal: { [weak self] objection in
                guard let self, objection.code == .removed else { return }
                end(.removed)
            })
        link.start()
        return link
    }

    // MARK: Admission

    /// Handles messages of members. Called on any event loop.
    private func deliver(_ messages: [PeerMessage]) {
        for message in messages {
            guard case .node(.cluster(.topology(let topology))) = message else { continue }
            loop.execute { [self] in receive(topology) }
        }
    }

    private func receive(_ topology: Topology) {
        guard !isDone, topology.settings.name == base.configuration.clusterName ?? topology.settings.name else {
            return
        }
        guard topology.member(withStore: pendingNode.store) != nil else {
            if topology.removed.contains(where: { $0.store == pendingNode.store }) { end(.removed) }
            return
        }
        isDone = true
        base.upkeepPool.submit { [self] state in
            guard state == .active else { return }
            do throws(StoreError) {
                try base.directory.persist(topology)
                base.logger.notice(
                    "admitted to \(topology.settings.name)",
                    metadata: ["node": "\(pendingNode.id)", "epoch": "\(topology.epoch)"])
                onTurn(.admitted(topology))
            } catch {
                onStoreFailure(error)
            }
        }
    }

    private func end(_ turn: NodeMain.Turn) {
        guard !isDone else { return }
        isDone = true
        onTurn(turn)
    }
}
