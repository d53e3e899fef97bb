import KVAPI
import KVConfig
import KVCore
import KVStorage
import KVWire
import Logging
import NIOCore
import NIOPosix

/// Performs what a node's cluster machine and failure detector decide. It sends over the first shard's links.
///
/// It has its own event loop: other nodes' failure detectors must be answered in time, however busy the shards are.
///
/// Sendable because all mutable state is used only on `loop`.
final class ClusterRunner: @unchecked Sendable {
    /// The timeout of a command on the topology's register.
    private static let registerTimeout = Nanoseconds.milliseconds(3000)
    /// How often the metadata quorum gets a report although nothing has changed, and how many partitions' sizes are in
    /// it.
    private static let idleReportInterval = Nanoseconds.milliseconds(5000)
    private static let sizesReportedAgain = 256

    struct Parts {
        let configuration: Configuration
        let loop: any EventLoop
        let node: NodeIdentity
        let topology: Topology
        let directory: DataDirectory
        let runners: [ShardRunner]
        let clock: NodeClock
        let policy: PolicyBox
        let peers: PeerServer
        let socket: GossipSocket
        let pool: NIOThreadPool
        let reasons: ReasonLog
        let logger: Logger
        /// Called when the directory cannot be written: the process must end.
        let onStoreFailure: @Sendable (StoreError) -> Void
        /// Called with the reason when the node cannot hear others, and with nil when it can again.
        let onObstacle: @Sendable (String?) -> Void
        /// Called with what this first member waits for before it takes part, and with nil when it takes part.
        let onFounding: @Sendable (String?) -> Void
        /// Called when this node is no longer a member.
        let onDeparture: @Sendable (Departure) -> Void
    }

    enum Departure: Sendable {
        /// The node left on request, and other nodes hold everything that it held.
        case left
        /// The node was removed while it was away.
        case removed
        /// The node's store is not the one that its peers know, or another process uses it. The node must not be
        /// believed any more, and must not send anything else. The text says why, and what to do.
        case fenced(String)
    }

    private struct Waiting {
        let loop: any EventLoop
        let reply: @Sendable (ControlReply) -> Void
    }

    let loop: any EventLoop
    let parts: Parts
    private(set) var machine: ClusterMachine
    private(set) var swim: Swim
    private let options: ClusterOptions
    private let swimOptions: SwimOptions
    private var waiting: [RequestID: Waiting] = [:]
    private var lastRequest: UInt64 = 0
    var encodings = TopologyEncodings()

    private var timer: RepeatedTask?
    private var nextTimer: KVCore.Instant
    private var nextReport: KVCore.Instant
    private var nextFullReport: KVCore.Instant
    private var nextRefresh: KVCore.Instant
    /// Set while this is a first member that does not take part yet.
    var founding: Founding?
    /// The time when a peer first said that it is connected to another process with this node's store.
    var doubted: KVCore.Instant?
    private var isPerforming = false
    private var isStopped = false
    private var hasDeparted = false

    init(_ parts: Parts) {
        self.parts = parts
        loop = parts.loop
        let now = parts.clock.now
        options = ClusterOptions(parts.configuration)
        swimOptions = SwimOptions(probeInterval: parts.configuration.failure.probeInterval)
        machine = ClusterMachine(
            me: parts.node.number, boot: parts.node.boot, store: parts.node.store,
            addresses: NodeAddresses(
                client: parts.configuration.node.reachableClient, peer: parts.configuration.node.reachablePeer),
            topology: parts.topology, options: options, coding: .wire, seed: .random(in: .min ... .max), now: now)
        // Each process begins above every incarnation of earlier ones.
        swim = Swim(
            me: parts.node.number, incarnation: parts.node.boot << 32, options: swimOptions,
            seed: .random(in: .min ... .max), now: now.monotonic)
        nextTimer = now.monotonic
        nextReport = now.monotonic
        nextFullReport = now.monotonic
        nextRefresh = now.monotonic
        guard parts.directory.isFounding else { return }
        founding = Founding(
            me: parts.node.number, members: parts.topology.members.map(\.number), now: now.monotonic)
        parts.onFounding(awaited)
    }

    // MARK: Lifecycle

    func start() {
        loop.assertInEventLoop()
        swim.setMembers(machine.topology.members.map(\.number), now: Clock.monotonic)
        swim.epoch = machine.topology.epoch
        parts.socket.setMembers(machine.topology.reachableMembers, now: Clock.monotonic)
        parts.socket.start(onObstacle: parts.onObstacle) { [weak self] message, peer in
            self?.received(message, from: peer)
        }
        let interval = TimeAmount(swimOptions.timer)
        timer = loop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { [weak self] _ in self?.onTimer() }
    }

    func stop() {
        loop.assertInEventLoop()
        isStopped = true
        timer?.cancel()
        parts.socket.stop()
        for waiting in waiting.values {
            waiting.loop.execute { waiting.reply(.refused(.noCoordinator, "the node is stopping; ask another")) }
        }
        waiting = [:]
    }

    private func onTimer() {
        let now = Clock.monotonic
        swim.tick(now: now)
        performSwim()
        if now >= nextTimer {
            nextTimer = now + options.timer
            handle(.timer)
        }
        if now >= nextReport {
            nextReport = now + options.reportInterval
            gatherReport(now: now)
        }
        considerFounding(now)
        if now >= nextRefresh {
            nextRefresh = now + .milliseconds(1000)
            parts.socket.refresh(now: now)
        }
    }

    /// Reports to the metadata quorum what has changed, and at times something although nothing has: a report may have
    /// been lost.
    private func gatherReport(now: KVCore.Instant) {
        let isDue = now >= nextFullReport
        if isDue { nextFullReport = now + Self.idleReportInterval }
        let again = isDue ? Self.sizesReportedAgain / parts.runners.count : 0
        let reports = parts.runners.map { runner in runner.loop.submit { runner.partitionReport(again: again) } }
        EventLoopFuture.whenAllSucceed(reports, on: loop).whenSuccess { [self] reports in
            if machine.topology.plan?.reason == .split, let prepared = reports.map(\.prepared).min() {
                handle(.prepared(partitions: prepared))
            }
            let (sizes, moves) = (reports.flatMap(\.sizes), reports.flatMap(\.moves))
            guard isDue || !sizes.isEmpty || !moves.isEmpty else { return }
            handle(
                .report(
                    NodeReport(
                        epoch: machine.topology.epoch, store: parts.node.store, partitions: sizes, moves: moves)))
        }
    }

    private var metadataRunner: ShardRunner {
        parts.runners[Int(machine.topology.metadataPartition.raw) % parts.runners.count]
    }

    // MARK: Inputs

    /// Handles a message of a member, or of a pending node, whose number is 0. Called on any loop.
    func receive(_ message: ClusterMessage, from peer: NodeNumber) {
        onLoop { $0.handle(.message(from: peer, message)) }
    }

    /// Notes whether this node leads the metadata quorum and its copy is recovered. Called on any loop.
    func lead(_ isLeading: Bool) { onLoop { $0.handle(.leading(isLeading)) } }

    /// Notes that a peer's topology has this epoch. Called on any loop.
    func saw(_ epoch: Epoch, at peer: NodeNumber) { onLoop { $0.handle(.epochSeen(epoch, at: peer)) } }

    /// Sends a report soon, since a move is ready. Called on any loop.
    func reportSoon() { onLoop { $0.nextReport = Clock.monotonic } }

    /// Handles a peer's refusal of a link. Called on any loop.
    func refused(_ objection: Objection) {
        switch objection.code {
        case .removed: onLoop { $0.depart() }
        case .secondProcess: onLoop { $0.isSecond(objection.text) }
        case .outdatedStore: fence(objection.text)
        case .otherStore: onLoop { $0.isKnownByAnother(objection.text) }
        case .unspecified: break
        }
    }

    func control(
        _ request: ControlRequest, timeout: Nanoseconds, on replyLoop: any EventLoop,
        reply: @escaping @Sendable (ControlReply) -> Void
    ) {
        loop.assertInEventLoop()
        guard !isStopped else {
            return replyLoop.execute { reply(.refused(.noCoordinator, "the node is stopping; ask another")) }
        }
        lastRequest &+= 1
        let id = RequestID(boot: parts.node.boot, count: lastRequest, shard: 0)
        waiting[id] = Waiting(loop: replyLoop, reply: reply)
        handle(.control(id, request, deadline: Clock.monotonic + timeout))
    }

    func handle(_ input: ClusterInput) {
        guard !isStopped else { return }
        machine.handle(input, now: parts.clock.now)
        perform()
    }

    func onLoop(_ body: @escaping @Sendable (ClusterRunner) -> Void) {
        if loop.inEventLoop { body(self) } else { loop.execute { body(self) } }
    }

    // MARK: Effects

    private func perform() {
        // An effect may cause the next input at once.
        guard !isPerforming else { return }
        isPerforming = true
        defer { isPerforming = false }
        while !machine.effects.isEmpty {
            let effects = machine.effects
            machine.effects = []
            for effect in effects { perform(effect) }
        }
    }

    private func perform(_ effect: ClusterEffect) {
        switch effect {
        case .send(let peer, let message): send(message, to: peer)
        case .request(let id, let command): execute(command, id)
        case .persist(let topology, let changes): persist(topology, changes)
        case .adopt(let topology): adopt(topology)
        case .answer(let id, let reply):
            guard let waiting = waiting.removeValue(forKey: id) else { return }
            waiting.loop.execute { waiting.reply(reply) }
        case .notice(let notice): log(notice)
        }
    }

    private func execute(_ command: Command, _ id: UInt64) {
        let metadataQuorum = metadataRunner
        let partition = machine.topology.metadataPartition
        let options = RequestOptions(timeout: Self.registerTimeout)
        let caller = Caller(on: loop) { [self] request in
            if let outcome = request.outcome { handle(.outcome(request.token, outcome)) }
        }
        let request = Request(
            command, key: Topology.key, partition: partition, options: options, caller: caller, token: id)
        metadataQuorum.loop.execute { metadataQuorum.submit(request, isOwn: true) }
    }

    private func persist(_ topology: Topology, _ changes: [TopologyChange]?) {
        let directory = parts.directory
        parts.pool.submit { [self] state in
            guard state == .active else { return }
            do throws(StoreError) {
                try directory.persist(topology, changes: changes)
                loop.execute { [self] in handle(.persisted(topology.epoch)) }
            } catch {
                parts.onStoreFailure(error)
            }
        }
    }

    private func adopt(_ topology: Topology) {
        let before = parts.policy.current.topology
        parts.policy.replace { policy in
            policy.topology = topology
            policy.introduction.epoch = topology.epoch
        }
        let gone = (before?.members ?? []).filter { topology.member($0.number) == nil }
        parts.peers.disconnect(stores: Set(gone.compactMap(\.store)))
        let isTeller = gone.contains { topology.isTeller(parts.node.number, of: $0.number) }
        let farewell = isTeller ? encodings.encode(topology) : nil
        for runner in parts.runners {
            // They need not get it from every shard.
            let last = runner.index == 0 ? farewell : nil
            runner.loop.execute { runner.adopt(topology, farewell: last) }
        }
        let now = Clock.monotonic
        swim.setMembers(topology.members.map(\.number), now: now)
        swim.epoch = topology.epoch
        parts.socket.setMembers(topology.reachableMembers, now: now)
        performSwim()
        if topology.member(parts.node.number) == nil { depart(from: before) }
    }

    /// Handles the end of this node's membership, which peers or the topology have told.
    private func depart(from before: Topology? = nil) {
        guard !hasDeparted else { return }
        hasDeparted = true
        let last = before ?? machine.topology
        parts.onDeparture(last.member(parts.node.number)?.status == .leaving ? .left : .removed)
    }

    // MARK: The failure detector

    private func received(_ message: GossipMessage, from peer: NodeNumber) {
        guard !isStopped else { return }
        swim.receive(message, from: peer, now: Clock.monotonic)
        performSwim()
    }

    private func performSwim() {
        while !swim.effects.isEmpty {
            let effects = swim.effects
            swim.effects = []
            for effect in effects {
                switch effect {
                case .send(let peer, let message): parts.socket.send(message, to: peer)
                case .changed(let peer, let liveness): changed(peer, liveness)
                case .unanswered(let peer): sayUnanswered(peer)
                case .epochSeen(let epoch, let peer): handle(.epochSeen(epoch, at: peer))
                }
            }
        }
    }

    /// Notes that peers are heard over connections. Called on any loop.
    func vouch(for peers: [NodeNumber]) {
        onLoop { cluster in for peer in peers { cluster.swim.vouch(for: peer, now: Clock.monotonic) } }
    }

    /// Notes that a node waits for a peer that it does not hear. Called on any loop.
    func doubted(_ peer: NodeNumber) {
        for runner in parts.runners { runner.loop.execute { runner.attend(peer, isDoubted: true) } }
    }

    private func sayUnanswered(_ peer: NodeNumber) {
        // Nothing but heartbeats says whether it is well.
        for runner in parts.runners { runner.loop.execute { runner.attend(peer, isDoubted: false) } }
        guard let member = machine.topology.member(peer) else { return }
        parts.reasons.say(
            """
            \(member.id) is heard over its connections and does not answer datagrams: let UDP as well as TCP pass to the \
            peer addresses of all nodes (\(member.peer)); until then a node that fails is noticed more slowly
            """, of: "datagrams of \(member.id)")
    }

    private func changed(_ peer: NodeNumber, _ liveness: Liveness) {
        log(peer, liveness)
        parts.socket.setMissed(peer, liveness != .alive, now: Clock.monotonic)
        for runner in parts.runners { runner.loop.execute { runner.learn(liveness, of: peer) } }
        handle(.liveness(peer, liveness))
    }

    private func log(_ notice: ClusterNotice) {
        ClusterLog(logger: parts.logger, topology: machine.topology).log(notice)
    }

    private func log(_ peer: NodeNumber, _ liveness: Liveness) {
        ClusterLog(logger: parts.logger, topology: machine.topology).log(peer, liveness)
    }
}

extension ClusterOptions {
    fileprivate init(_ configuration: Configuration) {
        self.init()
        evictAfter = configuration.failure.evictAfter
        moveRate = configuration.limits.moveRate
    }
}

extension TopologyCoding {
    /// The encoding on disk and between nodes.
    static let wire = TopologyCoding(
        encode: { TopologyCodec.encode($0, format: $1 ? nil : TopologyCodec.formatWithoutRuns) },
        decode: { try? TopologyCodec.decode($0) })
}
