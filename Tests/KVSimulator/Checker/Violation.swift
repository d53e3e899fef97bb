/// A check that failed in a run.
package struct Violation: Hashable, Sendable {
    package enum Check: String, Hashable, Sendable {
        case linearizability
        /// The search for an order was given up. The run counts as failed.
        case undecided
        /// A change that was refused, or whose condition failed, was stored.
        case refusedTookEffect = "refused change took effect"
        /// A node answered a request twice, or one that it was not asked, or with an outcome that does not fit.
        case answers = "one answer to each request"
        case lateAnswer = "answer within the deadline"
        /// One version of a key names two values, or a value that nobody wrote.
        case versions = "a version names one value"
        /// A store was asked to replace a record by an older one, or to lower a promise.
        case regression = "versions and promises only grow"
        case staleRead = "a stale read gives a value that was written"
        case listing = "a listing is in order and without duplicates"
        case liveness
        case convergence
        case agreement = "an epoch has one topology"
        case notices = "notices tell what a node leads"
        /// A request was not served in a run without faults.
        case interruption = "moves cut off no request"
        /// A key could not be read or written for a long time, although only one node was sick.
        case sickness = "a sick minority stops no key for long"
        /// A store failed, or could not be opened.
        case storage
        case queues = "no queue exceeds its limit"
        /// A process found its own state broken.
        case invariants = "an invariant of docs/protocol.md"

        /// True if the check must hold even if acknowledged writes may have been lost.
        var standsLoss: Bool {
            switch self {
            case .liveness, .convergence, .agreement, .answers, .lateAnswer, .storage, .sickness, .listing, .invariants:
                true
            default: false
            }
        }
    }

    package var check: Check
    package var detail: String
    /// The smallest history found that shows the violation, one line per operation.
    package var history: [String]

    package init(_ check: Check, _ detail: String, history: [String] = []) {
        self.check = check
        self.detail = detail
        self.history = history
    }
}
