/// A rule of the replication protocol (docs/protocol.md), to count how often it has decided something: what would have
/// been done without it was not done, was done later, or was done otherwise.
///
/// The simulator prints these counts, so that no rule is silently never tried.
package enum ProtocolRule: Int, CaseIterable, Sendable {
    /// What rests on a promise, a wipe or a floor waited for a sync.
    case awaitSync
    /// What rests on records waited until these were durable.
    case awaitDurable
    /// A request under a ballot below the promise was refused.
    case keepPromise
    /// A record of no higher version than the one held was not put in its place.
    case growVersions
    /// A request of another configuration was refused.
    case compareEpochs
    /// One of a configuration not heard of yet waited for it.
    case awaitTopology
    /// A membership that had lapsed began again from nothing.
    case wipeLapsed
    /// A candidate was told that there is a leader (pre-vote).
    case seeLeader
    /// A new leader's copy was not taken for complete, as no majority had its root.
    case compareRoots
    /// Such a leader had to compare with majorities of both sets.
    case proveStrictly
    /// A record that was on no majority was proposed again under the new ballot.
    case proposeAgain
    /// A write waited for a majority.
    case awaitMajority
    /// Reads waited for a majority to confirm the ballot.
    case confirmReads
    /// An answer waited until what it rests on was chosen.
    case showChosen
    /// An answer rested on a record that expired before it was chosen, so the operation was executed again.
    case reviewExpired
    /// A change was not evaluated on a record in flight that may expire before it is chosen.
    case awaitExpiring
    /// A tombstone was put above an earlier leader's expired record before anybody was told of that.
    case tombstoneExpired
    /// Operations were held, as no majority was in touch.
    case holdAlone
    /// What another leader had overruled was reported as unknown.
    case loseTrack
    /// A change waited for room in its peer's window.
    case awaitWindow
    /// A record that only a lagging replica had was overruled.
    case overruleUnchosen
    /// A comparison that found something was not taken for the proof that a copy is level.
    case compareAgain
    /// Trees at unequal purge floors were not compared.
    case levelFloors
    /// A partition that moves was not ready, as its next set did not hold everything.
    case levelBeforeSwitch
    /// Tombstones stayed, as not every replica was known to hold them.
    case holdTombstones
    /// Leaders gave up the lead: over a stalled disk, a full one, without a majority; and handed it over in good order.
    case yieldStalled, yieldFull, yieldLonely, transferLeadership
    /// A copy that could not be read told nobody that it is empty.
    case rememberDamaged
    /// A copy that may lack records abstained; and a leader was elected by all, as too few copies were whole.
    case abstain, hearAll
}

/// How often each rule has decided something.
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
