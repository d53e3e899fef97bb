import KVCore

/// What one run is like: the cluster, the workload, and how much goes wrong. All of it follows from the seed.
package struct Scenario: Sendable {
    // The cluster.
    package var nodes = 3
    package var replicas = 3
    package var partitions = 4

    // The workload.
    package var keys = 4
    package var clients = 4
    /// Between an answer and the client's next request, at most.
    package var think = Nanoseconds.milliseconds(40)
    package var deadline = Nanoseconds.milliseconds(1000)
    /// How often each kind of request is made, relative to the others.
    package var mix = Mix()
    package var duration = Nanoseconds.milliseconds(4000)

    // Time.
    /// Between a message's sending and its arrival.
    package var delay = Nanoseconds(nanoseconds: 200_000)
    package var jitter = Nanoseconds.milliseconds(1)
    /// One message in so many is late by up to a hundred times the jitter; 0 for none.
    package var straggler = 0
    package var sync = Nanoseconds.milliseconds(1)
    /// Parts per million by which the nodes' monotonic clocks may run fast or slow.
    package var clockRate: UInt64 = 0
    /// By how much their wall clocks may be ahead of the earliest.
    package var wallSkew = Nanoseconds.zero

    // What goes wrong.
    package var loss = 0.0
    package var duplication = 0.0
    /// Whether messages of one link may overtake each other.
    package var reorders = false
    /// How often a read of the store is put off, as one from disk.
    package var loads = 0.0
    /// How often each fault strikes; nil for never.
    package var faults: [FaultKind: Nanoseconds] = [:]
    /// Whether values may carry a time to live; then no clock is skewed but for `wrongClocks`.
    package var expires = false
    package var wrongClocks = WrongClocks.none
    /// How far a node's time may be from what a majority of the clocks show.
    package var clockLimit = WallClock.limit
    /// The longest time to live; how many of the values that are put have one; and how many of those until a set time.
    package var lifetime = Nanoseconds.milliseconds(400)
    package var expiring = 0.4
    package var punctual = 0.5
    /// How many of the values that are set keep the expiry of the one before.
    package var keeping = 0.0
    // What moves.
    /// Machines that may be admitted later.
    package var spares = 0
    /// How often the replica sets of some partitions are changed; nil for never.
    package var moves: Nanoseconds?
    /// The product's own cluster machines decide what moves, as operators ask; the world does otherwise.
    package var isSelfGoverned = false
    /// How many zones the nodes are of, by their number; 0 for none.
    package var zones = 0
    /// In the end so many nodes are lost for good that majorities may be, and an operator goes on with the others.
    package var losesMajorities = false
    /// How often a node is lost for good; nil for never.
    package var deaths: Nanoseconds?
    package var evictAfter = Nanoseconds.milliseconds(600_000)
    package var maximumMoves = 64
    /// Timers of a shard between those of the cluster machine.
    package var clusterTimer = 3
    /// Of the product's own failure detector; nil for a simpler one.
    package var probeInterval: Nanoseconds?
    /// How often each kind of change is made, relative to the others.
    package var moveMix = MoveMix()
    /// How often a node that hears a peer notices that it is behind.
    package var gossip = 1.0
    /// How often a new topology is sent to a member, rather than left for it to notice.
    package var broadcast = 1.0
    /// How often a node asks for a later topology when the protocol tells it that there is one.
    package var heed = 1.0
    /// From a leader's report that its partition is ready to the switch, at most.
    package var metadataDelay = Nanoseconds.milliseconds(100)
    /// Timers between a leader's reports of its moves.
    package var reportInterval = 10
    /// The shard's own times: of purges, of looking for expired records, of asking whether copies may go, of comparing
    /// once more; and the rate at which joining nodes are filled, in bytes a second.
    package var purge = Nanoseconds.milliseconds(10_000)
    package var sweep = Nanoseconds.milliseconds(250)
    package var dropReplica = Nanoseconds.milliseconds(500)
    package var recompare = Nanoseconds.milliseconds(2000)
    package var moveRate = 0
    /// How often a leader shows itself, and how long it is believed to lead without.
    package var leaderHeartbeat = Nanoseconds.milliseconds(300)
    package var leaderTimeout = Nanoseconds.milliseconds(1500)
    /// For how long a replica leaves it to each one before it to take the lead.
    package var stagger = Nanoseconds.milliseconds(500)
    /// Bytes under way to one peer: some runs have room for few changes at a time.
    package var peerWindow = 8 << 20
    /// Writes are acknowledged before they are synced, and lost with a machine's power.
    package var losesUnsynced = false
    /// Power is lost by all machines at once as well, so that what was acknowledged may be gone.
    package var losesMajorityOfCopies: Bool { losesUnsynced && faults[.powerLoss] != nil }
    /// There is little room everywhere, so that every window and limit is reached; and values are of all sizes.
    package var isCramped = false
    /// What one node suffers from for long; nil for nothing.
    package var sickness: Sickness?
    /// Nothing goes wrong: every request must be served.
    package var isCalm = false
    /// What the nodes keep their records in.
    package var store = StoreKind.memory

    package init() {}

    var machines: Int { nodes + spares }

    func options(_ mutant: Mutant?) -> ShardOptions {
        var options = ShardOptions()
        options.purge = purge
        options.sweep = sweep
        options.dropReplica = dropReplica
        options.recompare = recompare
        options.moveRate = moveRate
        // Some partitions are listed at once, others over several timers; and pages come from windows that end.
        options.listingSlice = 40
        options.listingWindow = 3
        options.stagger = stagger
        options.leaderHeartbeat = leaderHeartbeat
        options.leaderTimeout = leaderTimeout
        options.peerWindow = peerWindow
        if isCramped { options.cramp() }
        mutant?.breakRules(of: &options)
        return options
    }
}

extension Scenario {
    var clusterOptions: ClusterOptions {
        var options = ClusterOptions()
        options.timer = .milliseconds(10 * UInt64(clusterTimer))
        options.evictAfter = evictAfter
        options.retry = .milliseconds(300)
        options.changeInterval = .milliseconds(30)
        options.gather = .milliseconds(100)
        options.pendingNodeTimeout = .milliseconds(2000)
        options.askTimeout = .milliseconds(2000)
        options.maximumMoves = maximumMoves
        return options
    }
}

package enum StoreKind: String, Sendable, CaseIterable {
    /// Dictionaries: quick.
    case memory
    /// The product's own store, on a simulated disk that tears and loses what was not synced.
    case log
}

/// Which machines lose power at once.
package enum PowerLoss: String, Sendable, CaseIterable {
    case one, all
}

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

package struct MoveMix: Sendable {
    package var admit = 2
    package var cancel = 1
    package var pause = 1
    package var reorder = 1
    /// One node for another, any other set, fewer nodes, more nodes.
    package var replace = 3
    package var any = 1
    package var shrink = 1
    package var grow = 2

    package init() {}

    var weights: [Int] { [admit, cancel, pause, reorder, replace, any, shrink, grow] }
}

package enum FaultKind: Int, CaseIterable, Hashable, Sendable {
    /// One node is cut off from all others.
    case isolation
    /// The nodes fall into two groups that do not hear each other.
    case split
    /// Some links carry nothing in one direction.
    case oneWay
    /// A connection breaks and is made again.
    case reset
    case crash
    /// Every node crashes at once: the power fails.
    case powerLoss
    /// A node is stopped in order and started again.
    case restart
    /// A process does not run for a while.
    case pause
    /// The failure detector errs.
    case falseSuspicion
    case slowDisk
    case fullDisk
    /// The whole network loses and delays for a while.
    case storm
    /// Nothing that a node appends becomes durable for a while.
    case stalledDisk
    /// The first node's disk spoils a bit of what had been written some time ago. (Where all copies of a record are
    /// spoiled nobody can serve it, so it is always the same node's.)
    case rot
    /// One machine loses power, with what it has not synced; only while so many whole copies are left that nothing is
    /// lost.
    case outage
    /// Somebody sets a machine's wall clock, forward or back.
    case clockStep
}

/// Whose wall clocks may be wrong while values with a time to live are there.
package enum WrongClocks: Sendable {
    case none
    /// The first machine's, which may be ahead: no value may end sooner than the others' clocks allow.
    case one
    /// Any, and they run at different rates: when a value ends nobody can say, but once it has it stays away.
    case all
}

extension Scenario {
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
        let early = FaultKind.allCases.filter { ![.stalledDisk, .rot, .outage, .clockStep].contains($0) }
        for kind in early where random.chance(0.4) {
            faults[kind] = .milliseconds(random.pick([300, 700, 1500, 3000]) * (kind == .powerLoss ? 2 : 1))
        }
        purge = .milliseconds(random.pick([30, 100, 400, 1500]))
        sweep = .milliseconds(random.pick([10, 50, 250]))
        recompare = .milliseconds(random.pick([300, 1000, 3000]))
        if random.chance(0.75) { addMoves(&random) }
        if random.chance(0.1) { calm(&random) }
        if !isCalm { keeping = 0 }
        stagger = random.pick([.milliseconds(500), .milliseconds(500), .milliseconds(20)])
        if moves != nil, random.chance(0.5) { governItself(&random) }
        if random.chance(0.3) { addSwim(&random) }
        // Members that do not know each other yet do not answer each other's probes.
        if isCalm, probeInterval != nil { (gossip, broadcast) = (1, 1) }
        // Drawn last, so that what a seed has meant otherwise it goes on to mean.
        if !isCalm, random.chance(0.3) {
            faults[.stalledDisk] = .milliseconds(random.pick([700, 1500, 3000]))
        }
        peerWindow = random.pick([8 << 20, 8 << 20, 1000, 300])
        if isSelfGoverned {
            zones = random.pick([0, 0, 2, 3])
            losesMajorities = random.chance(0.4)
        }
        if expires, random.chance(0.6) { mistakeClocks(&random) }
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
        // A kept expiry is all that shows of the change it came from, and nobody can say when it was.
        if wrongClocks == .all { keeping = 0 }
        // An end that may come at any time fits between any two operations of its key, and the search for an order of
        // several hundred of those comes to no end. So they are spread over some keys.
        if wrongClocks == .all { keys = max(keys, 3) }
    }

    /// The interval leaves time for answers.
    private mutating func addSwim(_ random: inout SeededRandom) {
        let least = max(50_000_000, 10 * (delay.nanoseconds + jitter.nanoseconds))
        probeInterval = Nanoseconds(nanoseconds: least * random.pick([1, 2]))
    }

    private mutating func governItself(_ random: inout SeededRandom) {
        isSelfGoverned = true
        moves = .milliseconds(random.pick([100, 200, 400]))
        spares = 1 + random.below(4)
        duration = .milliseconds(random.within(3000...9000))
        // Longer runs of fewer requests a second: histories that can be searched.
        think = max(think, .milliseconds(40))
        heed = 1
        evictAfter = .milliseconds(random.pick([400, 1500, 600_000]))
        maximumMoves = random.pick([1, 2, 64])
        clusterTimer = random.pick([1, 3, 10])
        if moveRate > 0 { moveRate = 1000 }
        if !isCalm, random.chance(0.4) { deaths = .milliseconds(random.pick([1000, 3000])) }
        if !isCalm, random.chance(0.2) { evict(&random) }
    }

    /// The dead are left to the coordinator: the operator asks for little.
    private mutating func evict(_ random: inout SeededRandom) {
        (nodes, replicas) = (5 + random.below(2), 3)
        moves = .milliseconds(4000)
        deaths = .milliseconds(1000)
        evictAfter = .milliseconds(random.pick([200, 600]))
        duration = .milliseconds(random.within(5000...9000))
    }

    private mutating func calm(_ random: inout SeededRandom) {
        isCalm = true
        if moves == nil { addMoves(&random) }
        loss = 0
        duplication = 0
        straggler = 0
        faults = [:]
        jitter = min(jitter, .milliseconds(2))
        deadline = .milliseconds(5000)
    }

    /// What the run is like, in a line.
    package var summary: String {
        let names = FaultKind.allCases.filter { faults[$0] != nil }.map { "\($0)" }.joined(separator: " ")
        return "\(nodes) nodes, N=\(replicas), P=\(partitions), \(keys) keys, \(clients) clients, "
            + "\(duration.milliseconds) ms, loss \(loss), store \(store.rawValue), "
            + (moves.map { "moves every \($0.milliseconds) ms with \(spares) spares" } ?? "no moves")
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

    /// Nothing else.
    init(get: Int, getAndSet: Int) {
        (staleGet, put, putIfAbsent, putIfPresent, putIfVersion) = (0, 0, 0, 0, 0)
        (delete, deleteIfVersion, list, count, setIfEqual, setIfAbsent) = (0, 0, 0, 0, 0, 0)
        (removeIfEqual, getAndDelete, append, add, expire, persist) = (0, 0, 0, 0, 0, 0)
        (self.get, self.getAndSet) = (get, getAndSet)
    }

    /// Conditional changes above all.
    static let contended = {
        var mix = Mix()
        mix.put = 5
        mix.putIfVersion = 40
        mix.putIfAbsent = 15
        mix.delete = 10
        return mix
    }()
}
