import FoundationEssentials
import KVModel

/// Membership.
extension KVClient {
    /// The change of membership under way; nil where there is none.
    public func plan() async throws(KVClientError) -> PlanProgress? {
        try await plan(Request(.get, path: "/v1/plan"))
    }

    /// Begins a change of membership, several nodes at once, or with `isDryRun` only computes it.
    ///
    /// - Throws: `KVClientError.conflict` where the cluster does not do it: `plan_under_way` or `impossible`;
    ///   `badRequest` where there is no such node; `unknown` where it may have begun: see `plan()` then.
    /// - Returns: the plan; nil where nothing has to be done.
    @discardableResult
    public func change(
        _ change: MembershipChange, isDryRun: Bool = false
    ) async throws(KVClientError) -> PlanProgress? {
        guard let body = try? JSONEncoder().encode(ChangeBody(change, isDryRun: isDryRun)) else {
            throw .badRequest("the change of membership cannot be written as JSON")
        }
        var request = Request(.post, path: "/v1/plan")
        request.body = Array(body)
        request.contentType = "application/json"
        request.mayRepeat = isDryRun
        return try await plan(request)
    }

    /// Lets the moves under way end and begins no others.
    @discardableResult
    public func pausePlan() async throws(KVClientError) -> PlanProgress? { try await order("pause") }

    @discardableResult
    public func resumePlan() async throws(KVClientError) -> PlanProgress? { try await order("resume") }

    /// Has the plan undo what it did.
    @discardableResult
    public func cancelPlan() async throws(KVClientError) -> PlanProgress? { try await order("cancel") }

    private func order(_ verb: String) async throws(KVClientError) -> PlanProgress? {
        try await plan(Request(.post, path: "/v1/plan/\(verb)"))
    }

    private func plan(_ request: Request) async throws(KVClientError) -> PlanProgress? {
        var request = request
        request.isAboutCluster = true
        let answer = try await dispatcher.perform(request)
        guard answer.status == 200 else { throw answer.failure(of: request) }
        guard let body = answer.decoded(as: PlanAnswer.self) else { throw answer.notUnderstood(request) }
        return body.plan
    }
}

/// `POST /v1/plan`
private struct ChangeBody: Encodable {
    struct Join: Encodable {
        var id: String
        var weight: Int?
        var zone: String?
        var replace: String?
    }

    var join: [Join]
    var leave: [String]
    var force: Bool
    var dryRun: Bool

    enum CodingKeys: String, CodingKey {
        case join, leave, force
        case dryRun = "dry_run"
    }

    init(_ change: MembershipChange, isDryRun: Bool) {
        join = change.joins.map { Join(id: $0.id, weight: $0.weight, zone: $0.zone, replace: $0.replaces) }
        leave = change.leaves
        force = change.isForced
        dryRun = isDryRun
    }
}
