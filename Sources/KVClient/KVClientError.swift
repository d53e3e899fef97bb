import KVModel

/// The reason why an operation was not done, and whether anything may have been changed.
public enum KVClientError: Error, Hashable, Sendable {
    /// No node could be asked, or, for a read, none answered. Nothing was changed.
    case unreachable(String)
    /// The cluster could not execute the operation now: there is no majority, a limit is reached, a node is stopping.
    /// Or this client did not send it: its task was cancelled (`cancelled`), or too many requests wait for a node
    /// (`too_many_waiting`). Nothing was changed.
    case refused(code: String, message: String)
    /// The change may have taken effect, or may do so later: the answer was lost or did not come in time.
    case unknown(String)
    /// The condition did not hold. The value is the key's version; nil if there is no such key. Nothing was changed.
    case conditionFailed(Version?)
    /// The change of membership is not possible now: another one is under way (`plan_under_way`), there is none
    /// (`no_plan`), or it cannot be done as asked (`impossible`). Nothing was changed.
    case conflict(code: String, message: String)
    /// The credentials do not allow it. Nothing was changed.
    case denied(String)
    /// The request can never succeed as it is: the value is too large, for example. Nothing was changed.
    case badRequest(String)
}

extension KVClientError {
    static var cancelled: Self {
        .refused(code: "cancelled", message: "nothing was changed: the task was cancelled")
    }

    static func tooManyWaiting(_ node: Address) -> Self {
        .refused(
            code: "too_many_waiting",
            message: "nothing was changed: too many requests wait for \(node) already; send fewer at once")
    }
}

extension KVClientError: CustomStringConvertible {
    /// Says on one line what happened and what to do next.
    public var description: String {
        switch self {
        case .unreachable(let message), .unknown(let message), .denied(let message), .badRequest(let message),
            .refused(_, let message), .conflict(_, let message):
            message
        case .conditionFailed(let version?): "nothing was changed: the key is at version \(version)"
        case .conditionFailed(nil): "nothing was changed: the key is absent"
        }
    }
}
