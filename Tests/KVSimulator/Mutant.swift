import KVCore

/// A rule of the protocol that can be broken on purpose, to prove that the checks would notice.
public enum Mutant: String, CaseIterable, Sendable {
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
    /// A new leader takes its own copy to be complete.
    case skipRoots = "skip-roots"

    var options: ShardOptions {
        var options = ShardOptions()
        switch self {
        case .acknowledgeFirst: options.rules.majorityAcknowledges = false
        case .skipConfirm: options.rules.confirmReads = false
        case .answerUnchosen: options.rules.answerOnlyChosen = false
        case .skipRoots: options.rules.compareRoots = false
        case .forgetPromise, .acknowledgeUnsynced: break
        }
        return options
    }
}
