/// A rule of the replication protocol (docs/protocol.md). Each case is counted when the rule decides something, that
/// is, when a node would have acted otherwise, or earlier, without the rule.
///
/// The simulator prints the counts, so that a rule that no run ever tries is noticed.
package enum ProtocolRule: Int, CaseIterable, Sendable {
    /// An action that rests on a promise, a wipe or a purge floor waited for a sync.
    case awaitSync
    /// An action that rests on records waited until these were durable.
    case awaitDurable
    /// A request of an earlier or later topology named another partition than the one that has its key now.
    case followSplits
    /// A leader that was split left changes of the new partition's keys to the new partition's leader.
    case divideUnfinished
    /// A list or a count of a whole partition was refused because the asker's topology cuts the partition otherwise.
    case compareCuts
    /// A topology that splits partitions was not gone by until the store had divided them.
    case awaitDivision
    /// A request was refused because its ballot was below the promise.
    case keepPromise
    /// A record was not replaced, because the new one's version was not higher.
    case growVersions
    /// A request of another configuration was refused.
    case compareEpochs
    /// A request of a configuration that the node did not know yet was kept until it did.
    case awaitTopology
    /// A copy whose membership had lapsed was deleted, and begun again from nothing.
    case wipeLapsed
    /// A candidate was told by pre-vote that there is a leader.
    case seeLeader
    /// A new leader's copy was not taken for complete, because no majority had the same root.
    case compareRoots
    /// A new leader had to compare its copy with majorities of both replica sets.
    case proveStrictly
    /// A record that was on no majority was proposed again under the new ballot.
    case proposeAgain
    /// A write waited for a majority.
    case awaitMajority
    /// Reads waited until a majority had confirmed the ballot.
    case confirmReads
    /// Reads were answered because a majority supported the leader.
    case leaseReads
    /// Reads were looked up after the last look at the clock, so that support was looked at once more.
    case lookAgain
    /// Support did not cover a partition, because promises of the leader had been taken away since this one was
    /// confirmed.
    case countTaken
    /// A leader that had asked a successor to prepare, and given up waiting, took another ballot.
    case releaseLead
    /// A ballot was not promised, because the node that had the promise was supported.
    case keepSupport
    /// An answer waited until the record that it rests on was chosen.
    case showChosen
    /// An operation was executed again, because its answer rested on a record that expired before it was chosen.
    case reviewExpired
    /// A change was not evaluated on a record in flight, because that might have expired before it was chosen.
    case awaitExpiring
    /// A tombstone was put above an expired record before anybody was told that the record has expired.
    case tombstoneExpired
    /// A count counted expired records, because there were no tombstones above them yet.
    case countExpired
    /// Operations were held because no majority was in touch.
    case holdAlone
    /// A change that another leader had overruled was reported as unknown.
    case loseTrack
    /// A change waited for room in its peer's window.
    case awaitWindow
    /// A record that only a lagging replica had was overruled.
    case overruleUnchosen
    /// A comparison found a difference, so the copy was compared again before it counted as level.
    case compareAgain
    /// Trees were not compared because their purge floors differed.
    case levelFloors
    /// A partition was not ready to switch to its next replica set, because that set did not hold every record.
    case levelBeforeSwitch
    /// Tombstones were kept because not every replica was known to hold them.
    case holdTombstones
    /// A leader gave up the lead because its disk had stalled.
    case yieldStalled
    /// A leader gave up the lead because its disk was full.
    case yieldFull
    /// A leader gave up the lead because no majority was in touch.
    case yieldLonely
    /// A leader transferred the lead to another replica.
    case transferLeadership
    /// A replica did not report a key as absent whose record it could not read from its disk.
    case rememberDamaged
    /// A copy that may lack records did not tell what it holds.
    case abstain
    /// A change of what a node leads was not taken, because an earlier one was missing.
    case noticeGaps
    /// A leader was elected by all replicas, because too few of them had complete copies.
    case hearAll
}

/// The number of times that each rule has decided something.
package struct RuleCounts: Hashable, Sendable {
    private var counts = Array(repeating: 0, count: ProtocolRule.allCases.count)

    package init() {}

    package subscript(_ rule: ProtocolRule) -> Int {
        get { counts[rule.rawValue] }
        set { counts[rule.rawValue] = newValue }
    }

    package mutating func add(_ other: Self) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
    }
}
