import KVModel
import KVProtocol

/// Why a call did not do what it asked for, and whether anything may have been changed nevertheless.
///
/// A call whose task was cancelled before anything was sent throws Swift's `CancellationError` instead; nothing was
/// changed then.
public struct KVError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: String, Hashable, Sendable, CaseIterable {
        // The cluster could not execute it now.
        /// No node could be asked, or, for a read, none answered.
        case unreachable
        /// No majority of the key's replicas could be reached in time.
        case noLeader = "no_leader"
        /// None of the key's replicas answered in time with a copy that its disk can read.
        case noReplica = "no_replica"
        /// A limit of a node is reached.
        case overloaded
        /// The disk of a replica is nearly full.
        case diskFull = "disk_full"
        /// All nodes that were asked are stopping.
        case stopping
        /// All nodes that were asked are not members of a cluster.
        case notMember = "not_member"
        /// All nodes that were asked cannot serve yet.
        case notReady = "not_ready"
        /// The coordinator of changes of membership could not be reached in time.
        case noCoordinator = "no_coordinator"
        /// A node could not execute it now, for a reason that this version does not know; the message says more.
        case unavailable
        /// Too many requests of this client wait for a node (`KVClientOptions.maximumWaiting`).
        case tooManyWaiting = "too_many_waiting"
        // It will not succeed as it is.
        /// The condition did not hold; `currentVersion` is the key's.
        case conditionFailed = "condition_failed"
        /// The value does not allow the change: it is not an integer, say.
        case unfit
        /// The request is not valid: the value is too large, for example.
        case badRequest = "bad_request"
        /// The credentials do not allow it.
        case denied
        /// Another change of the cluster is under way.
        case planUnderWay = "plan_under_way"
        /// No change of the cluster is under way.
        case noPlan = "no_plan"
        /// The change of the cluster cannot be made as asked.
        case impossible
        // Nobody knows whether it was done, unless it was a read.
        /// The replicas or the node did not answer in time.
        case timedOut = "timed_out"
        /// The node that was carrying it out was lost.
        case leaderLost = "leader_lost"
        /// The connection was lost before the answer.
        case connectionLost = "connection_lost"
        /// The task was cancelled after the change had been sent.
        case cancelled
        /// A fault of the node, or an answer that is not a node's.
        case internalError = "internal_error"
    }

    /// What the call has done.
    public enum Effect: Hashable, Sendable {
        /// Nothing was changed.
        case none
        /// The change may have been made, or may be made later. Read the key before you try again.
        case unknown
    }

    public var code: Code
    public var effect: Effect
    /// What happened, to what, and what to do next, on one line.
    public var message: String
    /// The id of the node that said so; nil if none did.
    public var node: String?
    /// The version of the key, where a condition did not hold; nil if it is absent.
    public var currentVersion: Version?

    public init(
        _ code: Code, effect: Effect = .none, _ message: String, node: String? = nil, currentVersion: Version? = nil
    ) {
        self.code = code
        self.effect = effect
        self.message = message
        self.node = node
        self.currentVersion = currentVersion
    }

    /// Whether the same call may succeed later and does no harm: nothing was changed, and the reason may pass.
    public var isRetryable: Bool {
        guard effect == .none else { return false }
        switch code {
        case .unreachable, .noLeader, .noReplica, .overloaded, .stopping, .notMember, .notReady, .noCoordinator,
            .unavailable, .tooManyWaiting, .timedOut, .leaderLost, .connectionLost:
            return true
        case .diskFull, .conditionFailed, .unfit, .badRequest, .denied, .planUnderWay, .noPlan, .impossible,
            .cancelled, .internalError:
            return false
        }
    }
}

extension KVError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { message }

    public var debugDescription: String {
        let node = node.map { " by \($0)" } ?? ""
        return "KVError(\(code.rawValue)\(node), effect: \(effect)): \(message)"
    }
}

// MARK: - Making them

extension KVError {
    package static func unreachable(_ message: String) -> Self { Self(.unreachable, message) }

    package static func badRequest(_ message: String) -> Self { Self(.badRequest, message) }

    package static func conditionFailed(_ version: Version?) -> Self {
        let met = version.map { "the key is at version \($0)" } ?? "the key is absent"
        return Self(.conditionFailed, "nothing was changed: \(met)", currentVersion: version)
    }

    package static func unknown(_ code: Code, _ message: String) -> Self { Self(code, effect: .unknown, message) }

    static func tooManyWaiting(_ node: Address) -> Self {
        Self(
            .tooManyWaiting,
            "nothing was changed: too many requests wait for \(node) already; send fewer at once")
    }

    /// The error for a failure that a node tells of.
    init(_ failure: FailureCode, _ message: String, mayRepeat: Bool) {
        switch failure {
        case .badRequest: self.init(.badRequest, message)
        case .misfit: self.init(.unfit, message)
        case .noLeader: self.init(.noLeader, message)
        case .overloaded: self.init(.overloaded, message)
        case .diskFull: self.init(.diskFull, message)
        case .stopping: self.init(.stopping, message)
        case .noReplica: self.init(.noReplica, message)
        case .notMember: self.init(.notMember, message)
        case .timedOut: self.init(.timedOut, effect: mayRepeat ? .none : .unknown, message)
        case .leaderLost: self.init(.leaderLost, effect: mayRepeat ? .none : .unknown, message)
        case .internalError: self.init(.internalError, effect: mayRepeat ? .none : .unknown, message)
        }
    }

    /// The error for an answer over HTTP that is none of success.
    /// - Parameter name: the error's name in the body; empty if it has none.
    init(status: Int, _ name: String, _ message: String, mayRepeat: Bool) {
        let named = Code(rawValue: name)
        switch status {
        case 401, 403: self.init(.denied, message)
        case 409: self.init(named ?? .impossible, message)
        case 408, 429, 503: self.init(named ?? .unavailable, message)
        case 400, 404, 405, 411, 413, 414, 415, 431: self.init(.badRequest, message)
        case 504: self.init(.timedOut, effect: mayRepeat ? .none : .unknown, message)
        default: self.init(.internalError, effect: mayRepeat ? .none : .unknown, message)
        }
    }
}
