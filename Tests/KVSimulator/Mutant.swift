import KVCore

/// A rule of the protocol that can be broken on purpose, to prove that the checks would notice.
package enum Mutant: String, CaseIterable, Sendable {
    /// A replica forgets its promises when it crashes.
    case forgetPromise = "forget-promise"
    /// Accepts are acknowledged before they are synced.
    case acknowledgeUnsynced = "acknowledge-unsynced"
    /// A write is acknowledged by its first accept.
    case acknowledgeFirst = "acknowledge-first"
    /// The leader reads without asking whether it still leads.
    case skipConfirm = "skip-confirm"
    /// A failed condition is answered from a value that may never be chosen.
    case answerUnchosen = "answer-unchosen"
    /// A change is evaluated on a record in flight that may expire before it is chosen.
    case evaluateExpiring = "evaluate-expiring"
    /// Records are said to have expired without a tombstone, while changes evaluated on them may yet be found.
    case tellExpired = "tell-expired"
    /// The same of a leader's own records only: the next leader's clock may be behind.
    case tellOwnExpired = "tell-own-expired"
    /// A node goes by its machine's clock, wherever that is set to.
    case followClock = "follow-clock"
    /// A new leader takes its own copy to be complete.
    case skipRoots = "skip-roots"

    /// A replica set is switched before the next one holds everything.
    case switchEarly = "switch-early"
    /// Tombstones are forgotten while a replica lacks them.
    case purgeEarly = "purge-early"
    /// Requests of any configuration are acted on.
    case skipEpochs = "skip-epochs"
    /// A replica that comes back keeps the records of its lapsed membership.
    case keepLapsed = "keep-lapsed"
    /// A leader whose disk has stalled goes on leading.
    case keepStalled = "keep-stalled"
    /// A leader whose disk is full goes on leading.
    case keepFull = "keep-full"
    /// A leader that hears no majority goes on leading.
    case keepLonely = "keep-lonely"
    /// Silence counts for nothing where the failure detector finds all well.
    case ignoreSilence = "ignore-silence"
    /// A record that the disk has spoiled is taken to be absent.
    case forgetDamaged = "forget-damaged"
    /// A copy that may lack records it has acknowledged, as power was lost, votes with what it has left.
    case voteIncomplete = "vote-incomplete"

    func breakRules(of options: inout ShardOptions) {
        switch self {
        case .acknowledgeFirst: options.broken.insert(.majorityAcknowledges)
        case .skipConfirm: options.broken.insert(.confirmReads)
        case .answerUnchosen: options.broken.insert(.answerOnlyChosen)
        case .evaluateExpiring: options.broken.insert(.awaitExpiring)
        case .tellExpired: options.broken.insert(.tombstoneExpired)
        case .tellOwnExpired: options.broken.insert(.tombstoneOwn)
        case .skipRoots: options.broken.insert(.compareRoots)
        case .switchEarly: options.broken.insert(.settleBeforeSwitch)
        case .purgeEarly: options.broken.insert(.purgeWhenAllHold)
        case .skipEpochs: options.broken.insert(.compareEpochs)
        case .keepLapsed: options.broken.insert(.wipeLapsed)
        case .keepStalled: options.broken.insert(.yieldWhenStalled)
        case .forgetDamaged: options.broken.insert(.rememberDamaged)
        case .voteIncomplete: options.broken.insert(.abstainWhenIncomplete)
        case .keepFull: options.broken.insert(.yieldWhenFull)
        case .keepLonely: options.broken.insert(.yieldWhenLonely)
        case .forgetPromise, .acknowledgeUnsynced, .ignoreSilence, .followClock: break
        }
    }
}
