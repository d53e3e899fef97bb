import KVCore

extension Scenario {
    /// A small, busy cluster with the faults under which a mutant is noticed soonest.
    package init(seed: UInt64, hunting mutant: Mutant) {
        if let sickness = mutant.sickness {
            self.init(seed: seed, sickness: sickness, isLarge: mutant == .neverAttend)
            return
        }
        var random = SeededRandom(seed: seed, stream: 1)
        self.init()
        partitions = 1
        mix = .withoutUpdates
        keys = 2
        clients = 6
        think = .milliseconds(10)
        deadline = .milliseconds(600)
        duration = .milliseconds(3000)
        jitter = Nanoseconds(nanoseconds: random.pick([300_000, 2_000_000]))
        switch mutant {
        // Their scenarios are those of a sickness.
        case .keepStalled, .keepFull, .keepLonely, .ignoreSilence, .neverAttend, .speakForStopped: break
        case .forgetPromise: faults = [.crash: .milliseconds(300), .isolation: .milliseconds(700)]
        case .acknowledgeUnsynced:
            sync = .milliseconds(5)
            faults = [.powerLoss: .milliseconds(700)]
        case .acknowledgeFirst:
            loss = 0.03
            faults = [.isolation: .milliseconds(400), .crash: .milliseconds(400)]
        case .skipConfirm:
            // A deposed leader must miss its successor's messages while a majority still seems up to it.
            mix.get = 100
            faults = [
                .oneWay: .milliseconds(300), .isolation: .milliseconds(500),
                .falseSuspicion: .milliseconds(random.pick([40, 80, 160])),
            ]
        case .skipGrace, .countFromAnswer, .lookEarly, .ignoreDrift, .ignoreSupport, .keepTaken, .transferUnreleased:
            tryLeases(mutant, &random)
        case .takeEarly:
            // Event loops stand still before they take in what asks for values that are about to expire.
            calm(&random)
            (moves, splits, isSelfGoverned) = (nil, nil, false)
            (expires, lifetime, expiring, punctual, freezes) = (true, .milliseconds(100), 0.8, 1, 0.02)
            (nodes, replicas, partitions, keys, clients) = (1, 1, 1, 2, 8)
            (think, maximumExpired) = (.milliseconds(20), 0)
            (mix.get, mix.put, mix.delete) = (50, 30, 20)
        case .answerUnchosen, .skipRoots:
            if random.chance(0.5) { (nodes, replicas) = (5, 5) }
            loss = 0.05
            faults = [.split: .milliseconds(400), .crash: .milliseconds(400), .falseSuspicion: .milliseconds(400)]
        case .switchEarly:
            moveOften()
            // Joining nodes stay behind for long, and leaders are lost soon.
            (keys, think) = (6, .milliseconds(60))
            (jitter, moveRate, stagger) = (.milliseconds(10), 20, .zero)
            faults = [.crash: .milliseconds(120), .isolation: .milliseconds(120)]
        case .forgetDamaged:
            // Keys are written seldom and read often, so that damaged records are found by reads.
            (store, loads, keys, clients, think) = (.log, 0.7, 40, 10, .milliseconds(2))
            (mix.get, mix.put) = (120, 30)
            deadline = .milliseconds(2000)
            faults = [
                .rot: .milliseconds(10), .isolation: .milliseconds(700), .falseSuspicion: .milliseconds(400),
                .pause: .milliseconds(700),
            ]
        case .skipGaps:
            partitions = 8
            loss = 0.1
            faults = [.isolation: .milliseconds(700), .falseSuspicion: .milliseconds(300)]
        case .keepUnfinished:
            // Nothing fails, so no change may end as unknown.
            calm(&random)
            (moves, isSelfGoverned, expires) = (nil, false, false)
            (partitions, keys, splits) = (random.pick([1, 2]), 12, .milliseconds(150))
            (clients, think, jitter) = (12, .milliseconds(2), .milliseconds(10))
        case .ignoreSplits, .listAnyCut:
            // Many keys, and nodes that learn of splits late.
            (partitions, keys, splits) = (random.pick([1, 2]), 12, .milliseconds(150))
            (broadcast, gossip, heed, isSelfGoverned) = (0.3, 0.3, 0.3, false)
            (clients, think) = (12, .milliseconds(20))
            faults = [.falseSuspicion: .milliseconds(400), .isolation: .milliseconds(700)]
        case .voteIncomplete: losePower(&random)
        case .tellFirst:
            // Nothing fails, so nobody may take a leader for gone.
            calm(&random)
            (moves, shards, partitions, keys, duration) = (nil, 3, 8, 12, .milliseconds(6000))
        case .routeByPeer, .replyToFirst, .nameFirst:
            (shards, partitions, keys) = (3, 8, 12)
            faults = [.crash: .milliseconds(700), .isolation: .milliseconds(700)]
        case .scatterSplits:
            (shards, partitions, keys, splits) = (3, random.pick([2, 4]), 12, .milliseconds(300))
            (isSelfGoverned, think) = (false, .milliseconds(20))
            faults = [.crash: .milliseconds(700)]
        case .misapplyChanges, .actEarly, .skipChanges:
            governItself(&random)
            (nodes, replicas, partitions, spares) = (3, 3, 4, 3)
            (maximumMoves, clusterTimer, reportInterval) = (1, 1, 1)
            (loss, evictAfter) = (0.1, .milliseconds(600_000))
            faults = [.slowDisk: .milliseconds(300), .crash: .milliseconds(300)]
        case .evaluateExpiring:
            // Values expire before they are chosen, and other clients read the earlier value without the leader.
            (expires, lifetime, expiring, punctual) = (true, .milliseconds(60), 0.6, 1)
            // (The sweep would replace such a value.)
            (keys, clients, maximumExpired) = (1, 12, 0)
            mix = Mix(get: 40, getAndSet: 60)
            (jitter, reorders, duration) = (.milliseconds(250), true, .milliseconds(6000))
            deadline = .milliseconds(3000)
        case .tellExpired:
            // A node that alone has a change is cut off until the record that the change was evaluated on has expired.
            // Then it leads again.
            (expires, lifetime, expiring, punctual) = (true, .milliseconds(200), 0.5, 1)
            // Writes are few, because each would overrule that change, as the sweep's tombstones would.
            (keys, clients, think, loss, maximumExpired) = (1, 8, .milliseconds(40), 0.1, 0)
            (stagger, duration) = (.zero, .milliseconds(8000))
            mix = Mix(get: 70, getAndSet: 0)
            (mix.putIfVersion, mix.putIfPresent, mix.put) = (20, 5, 5)
            faults = [.isolation: .milliseconds(150)]
        case .tellOwnExpired:
            // The lead changes often between nodes whose clocks differ. The sweep would put the tombstones that answers
            // do not.
            maximumExpired = 0
            (expires, lifetime, expiring, wrongClocks) = (true, .milliseconds(400), 0.7, .all)
            (mix.get, mix.put, mix.putIfVersion, mix.delete) = (80, 15, 0, 0)
            (stagger, clockLimit, think, clients) = (.zero, .milliseconds(200), .milliseconds(30), 4)
            faults = [
                .clockStep: .milliseconds(60), .isolation: .milliseconds(300), .falseSuspicion: .milliseconds(200),
                .crash: .milliseconds(500),
            ]
        case .countByClock:
            // As above. There is one key, so that a count says whether it is there.
            (expires, lifetime, expiring, wrongClocks) = (true, .milliseconds(400), 0.7, .all)
            (keys, maximumExpired) = (1, 0)
            (mix.get, mix.put, mix.putIfVersion, mix.delete, mix.count) = (40, 15, 0, 0, 40)
            (stagger, clockLimit, think, clients) = (.zero, .milliseconds(200), .milliseconds(30), 4)
            faults = [
                .clockStep: .milliseconds(60), .isolation: .milliseconds(300), .falseSuspicion: .milliseconds(200),
                .crash: .milliseconds(500),
            ]
        case .followClock:
            (expires, expiring, wrongClocks, clockLimit) = (true, 0.7, .one, .milliseconds(50))
            (mix.get, mix.put) = (80, 20)
            faults = [.clockStep: .milliseconds(100), .falseSuspicion: .milliseconds(500)]
        case .purgeEarly:
            eraseOften()
            loss = 0.05
            faults = [.isolation: .milliseconds(300), .crash: .milliseconds(400), .falseSuspicion: .milliseconds(400)]
        case .skipEpochs:
            moveOften()
            // Some nodes hear of a new configuration late, and are cut off from the others together.
            (gossip, broadcast, heed, stagger) = (0, 0.2, 0.02, .zero)
            (leaderHeartbeat, leaderTimeout) = (.milliseconds(50), .milliseconds(200))
            (moveMix.shrink, moveMix.grow, moveMix.cancel) = (6, 6, 0)
            faults = [.isolation: .milliseconds(250), .falseSuspicion: .milliseconds(50)]
        case .keepLapsed:
            moveOften()
            eraseOften()
            // A replica that is added again has its old copy, and leads at once.
            (nodes, replicas, dropReplica, stagger) = (3, 1, .milliseconds(5000), .zero)
            (keys, jitter, duration) = (6, .milliseconds(5), .milliseconds(5000))
            (moveMix.replace, moveMix.grow) = (20, 0)
            faults = [.crash: .milliseconds(200), .falseSuspicion: .milliseconds(60)]
        }
    }

    /// A cluster that acknowledges writes before they are synced, and whose machines lose power.
    /// - Parameter loss: One machine at a time, so that nothing may be lost, or all at once.
    package init(seed: UInt64, losingPower loss: PowerLoss) {
        var random = SeededRandom(seed: seed, stream: 1)
        self.init()
        partitions = random.pick([1, 2, 4])
        jitter = Nanoseconds(nanoseconds: random.pick([300_000, 2_000_000]))
        losePower(&random)
        if loss == .all { faults[.powerLoss] = .milliseconds(2000) }
        drawShards(seed)
    }

    private mutating func losePower(_ random: inout SeededRandom) {
        (store, losesUnsynced) = (.log, true)
        (nodes, replicas) = random.pick([(3, 3), (3, 3), (5, 5), (5, 3)])
        (keys, clients, think) = (1 + random.below(6), 6, .milliseconds(20))
        duration = .milliseconds(8000)
        deadline = .milliseconds(random.pick([600, 2000]))
        stagger = .milliseconds(random.pick([20, 500]))
        recompare = .milliseconds(500)
        loss = random.pick([0, 0, 0.02])
        faults = [
            .outage: .milliseconds(400), .isolation: .milliseconds(700), .falseSuspicion: .milliseconds(1000),
            .crash: .milliseconds(2000), .reset: .milliseconds(1000),
        ]
    }

    /// Many reads, and leaders that are cut off or stand still while others want to lead.
    private mutating func tryLeases(_ mutant: Mutant, _ random: inout SeededRandom) {
        (reads, stagger, keys, clients, think) = (.lease, .zero, 1, 8, .milliseconds(4))
        (mix.get, mix.put) = (100, 20)
        duration = .milliseconds(5000)
        (leaderHeartbeat, leaderTimeout) = (.milliseconds(50), .milliseconds(150))
        faults = [.usurpation: .milliseconds(600)]
        switch mutant {
        case .skipGrace: (lease, usurpations) = (.milliseconds(1000), [.amnesia])
        // An answer waits in the inbox of a leader that pauses.
        case .countFromAnswer: (usurpations, jitter) = ([.pause], .milliseconds(20))
        case .lookEarly: (lease, usurpations) = (.milliseconds(150), [.freeze])
        case .ignoreDrift:
            // A leader whose clock is slow, among nodes whose clocks are fast, while it still seems in touch.
            (lease, usurpations, clockRate) = (.milliseconds(350), [.cut], 50_000)
            (delay, jitter, think) = (
                Nanoseconds(nanoseconds: 50_000), Nanoseconds(nanoseconds: 20_000), .milliseconds(2)
            )
        case .keepTaken:
            (lease, usurpations, reorders) = (.milliseconds(100), [.cut, .pause], true)
            faults[.oneWay] = .milliseconds(300)
            // Few reads, which are given up soon, so that support comes back before a read finds out.
            (think, deadline) = (.milliseconds(30), .milliseconds(100))
        case .transferUnreleased:
            usurpations = [.handover]
            faults[.restart] = .milliseconds(400)
        default: usurpations = [.cut, .pause]
        }
    }

    private mutating func moveOften() {
        (nodes, replicas) = (5, 3)
        moves = .milliseconds(60)
        reportInterval = 1
        dropReplica = .milliseconds(500)
    }

    private mutating func eraseOften() {
        (mix.get, mix.put, mix.putIfVersion, mix.delete) = (60, 12, 0, 30)
        purge = .milliseconds(20)
        recompare = .milliseconds(500)
    }
}

extension Mutant {
    /// The sickness in whose scenarios the mutant is noticed. Nil if it has a scenario of its own.
    var sickness: Sickness? {
        switch self {
        case .keepStalled: .stalledDisk
        case .keepFull: .fullDisk
        case .keepLonely: .deaf
        case .ignoreSilence: .deafToStreams
        case .neverAttend: .hung
        case .speakForStopped: .hungShard
        default: nil
        }
    }
}
