import KVCore

/// Runs the simulator: a cluster of the shipping machines, under a workload and faults that follow from a seed.
package enum Simulation {
    /// Runs one seed from the start to the end of its checks.
    /// - Parameters:
    ///   - scenario: If nil, the scenario that follows from the seed.
    ///   - sink: Is called with each event as a line of text.
    package static func run(
        seed: UInt64, scenario: Scenario? = nil, mutant: Mutant? = nil, sink: ((String) -> Void)? = nil
    ) -> RunReport {
        let scenario = scenario ?? Scenario(seed: seed)
        switch scenario.store {
        case .memory:
            let world = World(seed: seed, scenario: scenario, mutant: mutant, sink: sink) { random, scenario, shards in
                MemoryDriver(random: SeededRandom(seed: random.next()), loadChance: scenario.loads, shards: shards)
            }
            return world.runToEnd(seed: seed)
        case .log:
            let world = World(seed: seed, scenario: scenario, mutant: mutant, sink: sink) { random, scenario, shards in
                LogDriver(
                    random: SeededRandom(seed: random.next()), loadChance: scenario.loads, shards: shards,
                    sync: scenario.losesUnsynced ? .never : nil)
            }
            return world.runToEnd(seed: seed)
        }
    }
}

/// The result of a run.
package struct RunReport: Sendable {
    package let seed: UInt64
    package let scenario: Scenario
    /// The checks that failed. Empty if all held.
    package let violations: [Violation]
    package let statistics: Statistics
    /// A digest of all events. Two runs of one seed have the same.
    package let digest: UInt64
    /// The length of the run in virtual time.
    package let time: Nanoseconds
}

extension World {
    func runToEnd(seed: UInt64) -> RunReport {
        for node in nodes { after(loopRandom.below(20_000_000)) { [self] in start(node) } }
        startClients()
        startFaults()
        startSickness()
        startMoves()
        startOperator()
        startSplits()
        startSwitches()
        run(until: scenario.duration.nanoseconds)
        heal()
        checkHealing()
        countWork()
        // These hold closures that hold this world: a cycle of references.
        queue = EventQueue()
        waiting = [:]
        let violations =
            HistoryCheck.violations(
                in: history, ledger: ledger, end: time,
                clocks: ClockSlack(scenario.wrongClocks, limit: scenario.clockLimit, origin: Self.wallOrigin),
                permitsLoss: scenario.losesMajorityOfCopies)
            + (failure.map { [$0] } ?? [])
        return RunReport(
            seed: seed, scenario: scenario, violations: violations, statistics: statistics, digest: trace.digest,
            time: Nanoseconds(nanoseconds: time))
    }
}
