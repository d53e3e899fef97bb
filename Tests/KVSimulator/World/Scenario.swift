import KVCore

/// The parameters of a run: the cluster, the workload and the faults. They follow from the seed.
package struct Scenario: Sendable {
    // MARK: The cluster

    package var nodes = 3
    package var replicas = 3
    package var partitions = 4
    /// A node has from one to so many shards.
    package var shards = 1

    // MARK: The workload

    package var keys = 4
    package var clients = 4
    /// The longest time between an answer and the client's next request.
    package var think = Nanoseconds.milliseconds(40)
    /// How long clients wait for an answer.
    package var deadline = Nanoseconds.milliseconds(1000)
    /// How often each kind of request is made, relative to the others.
    package var mix = Mix()
    /// How long clients make requests and faults strike.
    package var duration = Nanoseconds.milliseconds(4000)

    // MARK: Time

    /// The shortest time between the sending of a message and its arrival.
    package var delay = Nanoseconds(nanoseconds: 200_000)
    /// The longest time that a message takes in addition to `delay`.
    package var jitter = Nanoseconds.milliseconds(1)
    /// One message in this many is late by up to a hundred times the jitter; 0 for none.
    package var straggler = 0
    /// The average time of a commit or a read of the disk.
    package var sync = Nanoseconds.milliseconds(1)
    /// Parts per million by which the nodes' monotonic clocks may run fast or slow.
    package var clockRate: UInt64 = 0
    /// The largest difference between the nodes' wall clocks.
    package var wallSkew = Nanoseconds.zero

    // MARK: Faults

    /// The probability that a message is lost.
    package var loss = 0.0
    /// The probability that a message arrives twice.
    package var duplication = 0.0
    /// Messages of one link may overtake each other.
    package var reorders = false
    /// The probability that a read of the store has to go to the disk.
    package var loads = 0.0
    /// How often each fault strikes; nil for never.
    package var faults: [FaultKind: Nanoseconds] = [:]
    /// Values may have a lifetime. Then no clock is skewed, except as `wrongClocks` says.
    package var expires = false
    package var wrongClocks = WrongClocks.none
    /// The largest difference between a node's time and what a majority of the clocks show.
    package var clockLimit = WallClock.limit
    /// The longest lifetime of a value.
    package var lifetime = Nanoseconds.milliseconds(400)
    /// The share of the values with a lifetime.
    package var expiring = 0.4
    /// The share of the lifetimes that are given as a point in time.
    package var punctual = 0.5
    /// The share of the values that keep the expiry of the value before.
    package var keeping = 0.0

    // MARK: Members and moves

    /// Machines that may be admitted later.
    package var spares = 0
    /// How often the replica sets of some partitions are changed; nil for never.
    package var moves: Nanoseconds?
    /// How often partitions are split; nil for never.
    package var splits: Nanoseconds?
    /// The product's cluster machines decide what moves, as operators ask. Otherwise the world decides.
    package var isSelfGoverned = false
    /// The number of zones. Nodes are given to them in turn. 0 for none.
    package var zones = 0
    /// In the end so many nodes are lost for good that majorities may be lost. An operator then recovers the cluster.
    package var losesMajorities = false
    /// How often a node is lost for good; nil for never.
    package var deaths: Nanoseconds?
    package var evictAfter = Nanoseconds.milliseconds(600_000)
    package var maximumMoves = 64
    /// How many changes of the topology a process keeps for others.
    package var maximumChanges = 64
    /// So many of the machines, the first ones, run a version that takes whole topologies only.
    package var earlierVersions = 0
    /// Timers of the shard between two timers of the cluster machine.
    package var clusterTimer = 3
    /// The probe interval of the product's failure detector. Nil for the simple `Detector`.
    package var probeInterval: Nanoseconds?
    /// How often each kind of change is made, relative to the others.
    package var moveMix = MoveMix()
    /// The probability that a node notices by a peer's ping that its own topology is outdated.
    package var gossip = 1.0
    /// The probability that a new topology is sent to a member.
    package var broadcast = 1.0
    /// The probability that a node asks for a later topology when the protocol tells it that there is one.
    package var heed = 1.0
    /// The longest time between a leader's report that its partition is ready and the switch.
    package var metadataDelay = Nanoseconds.milliseconds(100)
    /// Timers between two of a leader's reports of its moves.
    package var reportInterval = 10

    // MARK: The shards' options (`ShardOptions`)

    package var purge = Nanoseconds.milliseconds(10_000)
    package var maximumExpired = 256
    package var dropReplica = Nanoseconds.milliseconds(500)
    package var recompare = Nanoseconds.milliseconds(2000)
    package var moveRate = 0
    package var leaderHeartbeat = Nanoseconds.milliseconds(300)
    package var leaderTimeout = Nanoseconds.milliseconds(1500)
    package var stagger = Nanoseconds.milliseconds(500)
    package var peerWindow = 8 << 20

    // MARK: Leases

    /// How leaders answer reads.
    package var reads = ReadMode.confirm
    /// For how long a node supports another one. A tenth of it is not counted.
    package var lease = Nanoseconds.milliseconds(500)
    /// The probability that a process stops for a while in the middle of a tick.
    package var freezes = 0.0
    /// What happens to a leader that is usurped: a crash is one of the others', which start again at once.
    package var usurpations = Usurpation.allCases
    /// How often a node changes the way in which it answers reads; nil for never.
    package var switches: Nanoseconds?

    // MARK: Special runs

    /// Writes are acknowledged before they are synced, and are lost with a machine's power.
    package var losesUnsynced = false
    /// All machines lose power at once as well, so that acknowledged writes may be lost.
    package var losesMajorityOfCopies: Bool { losesUnsynced && faults[.powerLoss] != nil }
    /// Every window and limit is small, so that all are reached, and values are of all sizes.
    package var isCramped = false
    /// The sickness of one node; nil for none.
    package var sickness: Sickness?
    /// There are no faults, so every request must be served.
    package var isCalm = false
    /// The store in which the nodes keep their records.
    package var store = StoreKind.memory

    /// Rules that every shard breaks.
    package var broken: BrokenRules = []

    package init() {}

    var machines: Int { nodes + spares }

    func options(_ mutant: Mutant?) -> ShardOptions {
        var options = ShardOptions()
        options.purge = purge
        options.maximumExpired = maximumExpired
        options.dropReplica = dropReplica
        options.recompare = recompare
        options.moveRate = moveRate
        // Small, so that some listings take several timers, and pages reach the ends of their windows.
        options.listingSlice = 40
        options.listingWindow = 3
        options.stagger = stagger
        options.leaderHeartbeat = leaderHeartbeat
        options.leaderTimeout = leaderTimeout
        options.peerWindow = peerWindow
        options.lease = lease
        if isCramped { options.cramp() }
        options.broken = broken
        mutant?.breakRules(of: &options)
        return options
    }
}

extension Scenario {
    func clusterOptions(_ mutant: Mutant?) -> ClusterOptions {
        var options = ClusterOptions()
        mutant?.breakRules(of: &options)
        options.timer = .milliseconds(10 * UInt64(clusterTimer))
        options.evictAfter = evictAfter
        options.retry = .milliseconds(300)
        options.changeInterval = .milliseconds(30)
        options.gather = .milliseconds(100)
        options.pendingNodeTimeout = .milliseconds(2000)
        options.askTimeout = .milliseconds(2000)
        options.maximumMoves = maximumMoves
        options.maximumSmallMoves = maximumMoves
        options.maximumChanges = maximumChanges
        return options
    }
}

package enum StoreKind: String, Sendable, CaseIterable {
    /// Dictionaries, which are fast.
    case memory
    /// The product's log store, on a simulated disk that tears writes and loses what was not synced.
    case log
}

/// The machines that lose power at one time.
package enum PowerLoss: String, Sendable, CaseIterable {
    case one, all
}

/// How often clients make each kind of request, relative to the others.
package struct Mix: Sendable {
    package var get = 30
    package var staleGet = 4
    package var put = 20
    package var putIfAbsent = 5
    package var putIfPresent = 3
    package var putIfVersion = 15
    package var delete = 6
    package var deleteIfVersion = 3
    package var list = 3
    package var count = 1
    package var setIfEqual = 3
    package var getAndSet = 4
    package var setIfAbsent = 2
    package var removeIfEqual = 2
    package var getAndDelete = 2
    package var append = 5
    package var add = 8
    package var expire = 2
    package var persist = 1

    package init() {}

    var weights: [Int] {
        [
            get, staleGet, put, putIfAbsent, putIfPresent, putIfVersion, delete, deleteIfVersion, list, count,
            setIfEqual, getAndSet, setIfAbsent, removeIfEqual, getAndDelete, append, add, expire, persist,
        ]
    }
}

/// How often the world makes each kind of change of the topology, relative to the others.
package struct MoveMix: Sendable {
    /// Admits a spare machine.
    package var admit = 2
    /// Cancels a move.
    package var cancel = 1
    /// Pauses or resumes all moves.
    package var pause = 1
    /// Changes the order of a replica set, and with it the preferred leader.
    package var reorder = 1
    /// Replaces one node of a replica set by another.
    package var replace = 3
    /// Replaces a replica set by any other.
    package var any = 1
    /// Takes nodes from a replica set.
    package var shrink = 1
    /// Adds nodes to a replica set.
    package var grow = 2

    package init() {}

    var weights: [Int] { [admit, cancel, pause, reorder, replace, any, shrink, grow] }
}

/// A kind of fault.
package enum FaultKind: Int, CaseIterable, Hashable, Sendable {
    /// One node is cut off from all others.
    case isolation
    /// The nodes are split into two groups that do not hear each other.
    case split
    /// Some links carry nothing in one direction.
    case oneWay
    /// A connection breaks and is made again.
    case reset
    /// A process is killed, and starts again after a while.
    case crash
    /// All nodes crash at once. In runs with `losesUnsynced`, their machines lose power.
    case powerLoss
    /// A node is stopped in an orderly way and started again.
    case restart
    /// A process does not run for a while.
    case pause
    /// A failure detector suspects a node that runs.
    case falseSuspicion
    /// A disk takes a hundred times as long for a while.
    case slowDisk
    /// A disk is full for a while.
    case fullDisk
    /// The whole network loses and delays messages for a while.
    case storm
    /// Nothing that a node appends becomes durable for a while.
    case stalledDisk
    /// A bit flips on the first node's disk, in data that was written some time ago. It is always the same node,
    /// because a record of which all copies are damaged cannot be served.
    case rot
    /// A machine loses power, and with it everything that was not synced. It happens only while so many complete copies
    /// are left that nothing is lost.
    case outage
    /// A machine's wall clock is set forward or back.
    case clockStep
    /// A leader is cut off, pauses, or stands still in the middle of a tick, and all others notice at once. (Otherwise
    /// few leaders are succeeded before what supports them has lapsed.)
    case usurpation
}

/// How a leader is kept from noticing that another one is elected.
package enum Usurpation: CaseIterable, Sendable {
    /// It is cut off.
    case cut
    /// It is cut off, and the others' processes crash and start again at once.
    case amnesia
    /// It is cut off as soon as it has asked its successor to prepare.
    case handover
    /// It pauses between two ticks.
    case pause
    /// It stands still in the middle of a tick.
    case freeze
}

/// The machines whose wall clocks may be wrong in a run with lifetimes.
package enum WrongClocks: Sendable {
    case none
    /// The first machine's clock may be ahead. No value may expire sooner than the other clocks allow.
    case one
    /// All clocks may be wrong, and run at different rates. A value may expire at any time, but then stays absent.
    case all
}

extension Scenario {
    /// The scenario that follows from a seed.
    package init(seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: 1)
        self.init()
        let shapes: [(nodes: Int, replicas: Int)] = [
            (3, 3), (3, 3), (3, 3), (3, 3), (3, 3), (4, 3), (5, 3), (5, 3), (5, 5), (5, 5), (2, 2), (3, 2), (1, 1),
            (3, 1),
            (4, 4), (6, 3),
        ]
        (nodes, replicas) = random.pick(shapes)
        partitions = random.pick([1, 1, 2, 4, 8])
        keys = 1 + random.below(6)
        clients = 2 + random.below(6)
        think = random.pick([.milliseconds(5), .milliseconds(20), .milliseconds(40), .milliseconds(100)])
        deadline = random.pick([.milliseconds(150), .milliseconds(600), .milliseconds(2000), .milliseconds(5000)])
        duration = .milliseconds(random.within(1500...5000))
        if random.chance(0.2) { mix = Mix.contended }

        delay = Nanoseconds(nanoseconds: random.pick([50_000, 200_000, 1_000_000, 5_000_000]))
        jitter = Nanoseconds(nanoseconds: random.pick([20_000, 300_000, 2_000_000, 20_000_000]))
        straggler = random.pick([0, 0, 50, 500])
        sync = Nanoseconds(nanoseconds: random.pick([100_000, 1_000_000, 5_000_000]))
        loss = random.pick([0, 0, 0.005, 0.03, 0.1])
        duplication = random.pick([0, 0.01, 0.1])
        reorders = random.chance(0.5)
        loads = random.pick([0, 0.1, 0.5])
        if random.chance(0.3) {
            expires = true
            keeping = random.pick([0, 0, 0, 0.3])
        } else {
            clockRate = random.pick([0, 1_000, 50_000])
            wallSkew = random.pick([.zero, .milliseconds(500), .milliseconds(100_000)])
        }
        if random.chance(0.25) { store = .log }
        let early = FaultKind.allCases.filter { ![.stalledDisk, .rot, .outage, .clockStep, .usurpation].contains($0) }
        for kind in early where random.chance(0.4) {
            faults[kind] = .milliseconds(random.pick([300, 700, 1500, 3000]) * (kind == .powerLoss ? 2 : 1))
        }
        purge = .milliseconds(random.pick([30, 100, 400, 1500]))
        maximumExpired = random.pick([256, 4, 1])
        recompare = .milliseconds(random.pick([300, 1000, 3000]))
        if random.chance(0.75) { addMoves(&random) }
        if random.chance(0.1) { calm(&random) }
        if !isCalm { keeping = 0 }
        stagger = random.pick([.milliseconds(500), .milliseconds(500), .milliseconds(20)])
        if moves != nil, random.chance(0.5) { governItself(&random) }
        if random.chance(0.3) { addSwim(&random) }
        // Members that do not know each other yet do not answer each other's probes.
        if isCalm, probeInterval != nil { (gossip, broadcast) = (1, 1) }
        // These are drawn last, so that earlier seeds keep the rest of their scenarios.
        if !isCalm, random.chance(0.3) {
            faults[.stalledDisk] = .milliseconds(random.pick([700, 1500, 3000]))
        }
        peerWindow = random.pick([8 << 20, 8 << 20, 1000, 300])
        if isSelfGoverned {
            zones = random.pick([0, 0, 2, 3])
            losesMajorities = random.chance(0.4)
        }
        if expires, random.chance(0.6) { mistakeClocks(&random) }
        if isSelfGoverned {
            maximumChanges = random.pick([64, 3, 1])
            earlierVersions = random.pick([0, 0, 1, 2])
        }
        if random.chance(0.4) { splits = .milliseconds(random.pick([200, 600, 2000])) }
        if random.chance(0.6) { addLeases(&random) }
        drawShards(seed)
    }

    mutating func addLeases(_ random: inout SeededRandom) {
        reads = .lease
        lease = .milliseconds(random.pick([500, 500, 150, 60]))
        freezes = random.pick([0, 0.001, 0.01])
        switches = random.pick([nil, nil, .milliseconds(700)])
        if isCalm { return freezes = 0 }
        if random.chance(0.5) { faults[.usurpation] = .milliseconds(random.pick([300, 1000])) }
    }

    /// Gives nodes several shards in a third of the scenarios. It is drawn apart, so that the others keep theirs.
    mutating func drawShards(_ seed: UInt64) {
        var random = SeededRandom(seed: seed, stream: 10)
        guard random.chance(0.33) else { return }
        shards = random.pick([2, 3, 3, 4])
        // Mostly there is something for each of them. Otherwise some have no partition.
        if random.chance(0.8) {
            partitions = max(partitions, random.pick([4, 8]))
            keys = max(keys, random.pick([4, 6]))
        }
    }

    private mutating func addMoves(_ random: inout SeededRandom) {
        moves = .milliseconds(random.pick([50, 150, 400, 1000]))
        spares = random.below(4)
        gossip = random.pick([1, 0.3, 0.03])
        broadcast = random.pick([1, 0.5, 0])
        heed = random.pick([1, 1, 0.3])
        reportInterval = random.pick([1, 10, 25])
        metadataDelay = .milliseconds(random.pick([20, 100, 1000]))
        dropReplica = .milliseconds(random.pick([30, 200, 500]))
        moveRate = random.pick([0, 0, 0, 60, 600])
        duration = .milliseconds(random.within(2000...6000))
    }

    private mutating func mistakeClocks(_ random: inout SeededRandom) {
        let mayBeOne = nodes >= 3 && replicas >= 3 && moves == nil
        wrongClocks = mayBeOne && random.chance(0.5) ? .one : .all
        clockLimit = .milliseconds(random.pick([50, 200, 10_000]))
        faults[.clockStep] = .milliseconds(random.pick([50, 200, 1000]))
        // An expiry that was kept is the only trace of the change that it came from. If it may pass at any time, it
        // explains too much.
        if wrongClocks == .all { keeping = 0 }
        // An expiry that may pass at any time fits between any two operations of its key. The search for an order of
        // several hundred such operations does not end, so they are spread over several keys.
        if wrongClocks == .all { keys = max(keys, 3) }
    }

    private mutating func addSwim(_ random: inout SeededRandom) {
        // An answer must be able to arrive within the interval.
        let least = max(50_000_000, 10 * (delay.nanoseconds + jitter.nanoseconds))
        probeInterval = Nanoseconds(nanoseconds: least * random.pick([1, 2]))
    }

    mutating func governItself(_ random: inout SeededRandom) {
        isSelfGoverned = true
        moves = .milliseconds(random.pick([100, 200, 400]))
        spares = 1 + random.below(4)
        duration = .milliseconds(random.within(3000...9000))
        // Long runs make fewer requests per second, so that their histories can be searched.
        think = max(think, .milliseconds(40))
        heed = 1
        evictAfter = .milliseconds(random.pick([400, 1500, 600_000]))
        maximumMoves = random.pick([1, 2, 64])
        clusterTimer = random.pick([1, 3, 10])
        if moveRate > 0 { moveRate = 1000 }
        if !isCalm, random.chance(0.4) { deaths = .milliseconds(random.pick([1000, 3000])) }
        if !isCalm, random.chance(0.2) { evict(&random) }
    }

    /// Leaves dead nodes to the coordinator: the operator asks for little.
    private mutating func evict(_ random: inout SeededRandom) {
        (nodes, replicas) = (5 + random.below(2), 3)
        moves = .milliseconds(4000)
        deaths = .milliseconds(1000)
        evictAfter = .milliseconds(random.pick([200, 600]))
        duration = .milliseconds(random.within(5000...9000))
    }

    mutating func calm(_ random: inout SeededRandom) {
        isCalm = true
        if moves == nil { addMoves(&random) }
        loss = 0
        duplication = 0
        straggler = 0
        faults = [:]
        jitter = min(jitter, .milliseconds(2))
        deadline = .milliseconds(5000)
    }

    /// The scenario in one line of text.
    package var summary: String {
        let names = FaultKind.allCases.filter { faults[$0] != nil }.map { "\($0)" }.joined(separator: " ")
        return "\(nodes) nodes" + (shards > 1 ? " of 1 to \(shards) shards" : "")
            + ", N=\(replicas), P=\(partitions), \(keys) keys, \(clients) clients, "
            + "\(duration.milliseconds) ms, loss \(loss), store \(store.rawValue), "
            + (moves.map { "moves every \($0.milliseconds) ms with \(spares) spares" } ?? "no moves")
            + (splits.map { ", splits every \($0.milliseconds) ms" } ?? "")
            + (reads == .lease ? ", leases of \(lease.milliseconds) ms" : "")
            + (isSelfGoverned ? ", governed by itself" : "")
            + (deaths.map { ", a death every \($0.milliseconds) ms" } ?? "")
            + (probeInterval.map { ", SWIM every \($0.milliseconds) ms" } ?? "")
            + (sickness.map { ", one node with a \($0.rawValue)" } ?? "")
            + (wrongClocks == .none ? "" : ", clocks wrong: \(wrongClocks), limit \(clockLimit.milliseconds) ms")
            + (isCalm ? ", calm" : ", faults: \(names)")
    }
}

extension Mix {
    static let withoutUpdates = {
        var mix = Mix()
        (mix.count, mix.setIfEqual, mix.getAndSet, mix.setIfAbsent, mix.removeIfEqual) = (0, 0, 0, 0, 0)
        (mix.getAndDelete, mix.append, mix.add, mix.expire, mix.persist) = (0, 0, 0, 0, 0)
        return mix
    }()

    /// A mix of `get` and `getAndSet` only.
    init(get: Int, getAndSet: Int) {
        (staleGet, put, putIfAbsent, putIfPresent, putIfVersion) = (0, 0, 0, 0, 0)
        (delete, deleteIfVersion, list, count, setIfEqual, setIfAbsent) = (0, 0, 0, 0, 0, 0)
        (removeIfEqual, getAndDelete, append, add, expire, persist) = (0, 0, 0, 0, 0, 0)
        (self.get, self.getAndSet) = (get, getAndSet)
    }

    /// A mix of mostly conditional changes.
    static let contended = {
        var mix = Mix()
        mix.put = 5
        mix.putIfVersion = 40
        mix.putIfAbsent = 15
        mix.delete = 10
        return mix
    }()
}
