import KVCore

/// Counts of what happened in a run, or in many. They show whether the runs try what they are meant to try.
package struct Statistics: Hashable, Sendable {
    package enum Counter: Int, CaseIterable, Sendable {
        case requests, found, absent, written, conditionFailed, listed, counted, updated, notUpdated, refused, unknown,
            lost
        case messages, dropped, loads, commits, elections, settledAtOnce, settledLater, stepDowns
        /// Processes that ran with several shards.
        case severalShards
        case crashes, restarts, pauses, freezes, cuts, resets, falseSuspicions, slowDisks, fullDisks, storms,
            stalledDisks, noticedStalls, clockSteps
        case topologies, admissions, moves, reorders, cancels, pausedPlans, switches, lapses
        /// Partitions that were split off, by each process.
        case splits
        case suspected, heldDead, vouched, silences, doubts
        case applications, controls, plans, refusedControls, unknownControls, plansEnded, plansCancelled, evictions
        case deaths, doubleDeaths, departures, recoveries
        case rots, repairedRecords
        case outages, blackouts, abstentions, completions
        case wholeTopologies, changedTopologies
        case reproposedChanges, replicaDropped, wipes, purgedTombstones
    }

    /// The number of times that each rule of the protocol decided something.
    package var rules = RuleCounts()
    /// The number of times that each queue was found full. Counted in cramped runs only.
    package var reached: [ShardQueue: Int] = [:]
    private var counts = Array(repeating: 0, count: Counter.allCases.count)

    package init() {}

    package subscript(_ counter: Counter) -> Int {
        get { counts[counter.rawValue] }
        set { counts[counter.rawValue] = newValue }
    }

    package mutating func add(_ other: Statistics) {
        for index in counts.indices { counts[index] += other.counts[index] }
        rules.add(other.rules)
        reached.merge(other.reached, uniquingKeysWith: +)
    }

    /// The number of operations with a definite outcome.
    package var completed: Int {
        self[.found] + self[.absent] + self[.written] + self[.conditionFailed] + self[.listed] + self[.counted]
            + self[.updated] + self[.notUpdated]
    }
}
