import FoundationEssentials
import KVModel

/// Changes of membership and of the number of partitions.
extension KVClient {
    /// Returns the plan that is under way: a change of membership, or a split of partitions; nil if there is none.
    public func plan() async throws -> PlanProgress? {
        try await plan(Request(HTTPCall(.get, "/v1/plan")))
    }

    /// Begins a change of membership, which may be about several nodes. With `isDryRun`, only computes it.
    ///
    /// - Throws: `KVError` with the code `planUnderWay` or `impossible` if the cluster cannot do it, `badRequest`
    ///   if there is no such node, `unknown` if it may have begun; `plan()` tells.
    /// - Returns: the plan; nil if there is nothing to do.
    @discardableResult
    public func change(
        _ change: MembershipChange, isDryRun: Bool = false
    ) async throws -> PlanProgress? {
        guard let body = try? JSONEncoder().encode(ChangeBody(change, isDryRun: isDryRun)) else {
            throw KVError.badRequest("the change of membership cannot be written as JSON")
        }
        var call = HTTPCall(.post, "/v1/plan")
        call.body = Array(body)
        call.contentType = "application/json"
        var request = Request(call)
        request.mayRepeat = isDryRun
        return try await plan(request)
    }

    /// Begins to split partitions in two until there are so many. With `isDryRun`, only computes the plan. Nothing is
    /// copied, and partitions cannot be joined again.
    ///
    /// - Parameter count: A power of two, from the present number (`RingStatus.partitions`) to 16384.
    /// - Throws: `KVError` if the cluster cannot do it (`planUnderWay`, or `impossible` if there are
    ///   more partitions already or a member's version cannot split), `badRequest` if the number is no power of two in
    ///   this range, `unknown` if it may have begun; `plan()` tells.
    /// - Returns: the plan; nil if there is nothing to do.
    @discardableResult
    public func splitPartitions(
        to count: Int, isDryRun: Bool = false
    ) async throws -> PlanProgress? {
        var request = Request(
            HTTPCall(.post, "/v1/ring/split", parameters: "partitions=\(count)&dry_run=\(isDryRun)"))
        request.mayRepeat = isDryRun
        return try await plan(request)
    }

    /// Pauses the plan: the moves that are under way end, and no others begin; no more partitions are split.
    @discardableResult
    public func pausePlan() async throws -> PlanProgress? { try await order("pause") }

    @discardableResult
    public func resumePlan() async throws -> PlanProgress? { try await order("resume") }

    /// Cancels the plan: the moves that it has made are undone. Partitions that it has split stay so.
    @discardableResult
    public func cancelPlan() async throws -> PlanProgress? { try await order("cancel") }

    private func order(_ verb: String) async throws -> PlanProgress? {
        try await plan(Request(HTTPCall(.post, "/v1/plan/\(verb)")))
    }

    private func plan(_ request: Request) async throws -> PlanProgress? {
        let answer: PlanAnswer = try await dispatcher.document(request)
        return answer.plan
    }
}

/// The body of `POST /v1/plan`.
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
