/// What a check found wrong in a run.
package struct Violation: Hashable, Sendable {
    package enum Check: String, Hashable, Sendable {
        case linearizability
        /// A run whose history could not be searched to the end counts as failed.
        case undecided
        /// A refused or failed change left a record behind.
        case refusedTookEffect = "refused change took effect"
        /// A request was answered twice, or without having been asked.
        case answers = "one answer to each request"
        case lateAnswer = "answer within the deadline"
        /// One version of a key names two values, or none.
        case versions = "a version names one value"
        /// A store was asked to replace a record by an older one, or to lower a promise.
        case regression = "versions and promises only grow"
        case staleRead = "a stale read gives a value that was written"
        case listing = "a listing is in order and without duplicates"
        case liveness
        case convergence
        case agreement = "an epoch has one topology"
        case notices = "notices tell what a node leads"
        /// In a run without faults.
        case interruption = "moves cut off no request"
        /// A key could not be read or written for long although only one node was sick.
        case sickness = "a sick minority stops no key for long"
        /// The disk under a store lost or damaged what it must not, by the store's own account.
        case storage
        case queues = "no queue exceeds its limit"

        /// Whether it must hold although acknowledged writes were lost.
        var standsLoss: Bool {
            switch self {
            case .liveness, .convergence, .agreement, .answers, .lateAnswer, .storage, .sickness, .listing: true
            default: false
            }
        }
    }

    package var check: Check
    package var detail: String
    /// The smallest history found that shows it, a line for each operation.
    package var history: [String]

    package init(_ check: Check, _ detail: String, history: [String] = []) {
        self.check = check
        self.detail = detail
        self.history = history
    }
}
