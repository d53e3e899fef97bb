import KVClient
import KVCore

/// What a command wants of the cluster, which takes a plan.
enum PlanGoal {
    case members(MembershipChange)
    /// That there are so many partitions.
    case partitions(Int)

    /// Begins the plan, or only computes it.
    func begin(_ client: KVClient, isDryRun: Bool = false) async throws -> PlanProgress? {
        switch self {
        case .members(let change): try await client.change(change, isDryRun: isDryRun)
        case .partitions(let count): try await client.splitPartitions(to: count, isDryRun: isDryRun)
        }
    }

    /// Whether the plan does what is wanted. It may use other weights, and do more.
    func isPart(of plan: PlanProgress) -> Bool {
        switch self {
        case .members(let change):
            Set(change.joins.map(\.id)).isSubset(of: plan.joining)
                && Set(change.leaves + change.joins.compactMap(\.replaces)).isSubset(of: plan.leaving)
        case .partitions(let count): !plan.isCancelling && count <= plan.splitTo ?? 0
        }
    }

    /// Whether it may become part of a plan that is under way. (A member that dies during a plan can be forced out.)
    var mayExtendPlans: Bool {
        switch self {
        case .members(let change): change.isForced
        case .partitions: false
        }
    }

    /// Says that nothing has to be done; nil if something has.
    func reached(in ring: RingStatus) -> String? {
        switch self {
        case .members(let change):
            guard change.leaves.isEmpty, !change.joins.isEmpty, change.joins.allSatisfy(ring.has) else { return nil }
            let ids = change.joins.map(\.id).joined(separator: ", ")
            return "\(ids) \(change.joins.count == 1 ? "is a member" : "are members") already"
        case .partitions(let count):
            // Fewer than there are is for the coordinator to refuse.
            return count == ring.partitions ? "there are \(PlanText.partitions(count)) already" : nil
        }
    }
}

extension RingStatus {
    fileprivate func has(_ join: MembershipChange.Join) -> Bool {
        join.replaces == nil && nodes.contains { $0.id == join.id && $0.standing == "active" }
            && !waiting.contains { $0.id == join.id }
    }
}
