import KVCore
import Logging

/// Logs changes of the membership and of the number of partitions, in words.
struct ClusterLog {
    let logger: Logger
    let topology: Topology

    func log(_ notice: ClusterNotice) {
        switch notice {
        case .planBegan(let plan): logger.notice("\(began(plan))", metadata: ["plan": "\(plan.id)"])
        case .planEnded(let id, let reason, let isCancelled):
            logger.notice(
                "\(ended(reason, isCancelled: isCancelled))",
                metadata: ["plan": "\(id)", "epoch": "\(topology.epoch)", "members": "\(topology.members.count)"])
        case .evicting(let node):
            logger.warning(
                """
                \(name(node)) has been dead for failure.evict_after: it is being removed, and its copies are made anew \
                from the others; to have it back, start it with an empty data directory and --seed, then run kv join
                """)
        case .evictionWaits(let node, let reason):
            logger.warning(
                "\(name(node)) has been dead for failure.evict_after, but is not removed: \(printable(reason))")
        case .applied(let pendingNode):
            let id = printable(pendingNode.id)
            logger.notice(
                pendingNode.admitsItself
                    ? "\(id) asks to be admitted, and will be" : "\(id) waits to be admitted: run `kv join \(id)`",
                metadata: [
                    "client": "\(pendingNode.client)", "peer": "\(pendingNode.peer)", "store": "\(pendingNode.store)",
                ])
        case .foreignStore(let node, let store):
            logger.warning(
                """
                \(name(node)) runs with another data directory than the one it is known by (store \(store)): it is not \
                let in; start it with its own or, where that is lost, with an empty one and --seed, and run \
                `kv join \(name(node)) --replace \(name(node))`
                """)
        case .registerUnusable(let reason):
            logger.error(
                """
                the register that holds the topology is not usable: \(printable(reason)); members cannot change until it \
                is, and all else goes on; please report this as a bug
                """)
        }
    }

    func log(_ node: NodeNumber, _ liveness: Liveness) {
        switch liveness {
        case .alive: logger.info("alive", metadata: ["node": "\(name(node))"])
        case .suspect: logger.info("suspected: it does not answer", metadata: ["node": "\(name(node))"])
        case .dead: logger.warning("dead: it has not answered, nor refuted that", metadata: ["node": "\(name(node))"])
        }
    }

    private func name(_ node: NodeNumber) -> String { topology.member(node)?.id ?? "\(node)" }

    private func began(_ plan: PlanStatus) -> String {
        var changes: [String] = []
        if plan.reason == .split {
            changes.append("partitions to be split until there are \(plan.splitTo), of \(plan.partitions) now")
        }
        if !plan.joining.isEmpty { changes.append("\(plan.joining.joined(separator: ", ")) to join") }
        if !plan.leaving.isEmpty { changes.append("\(plan.leaving.joined(separator: ", ")) to leave") }
        let what = changes.isEmpty ? "partitions to move" : changes.joined(separator: ", ")
        if plan.reason == .split, plan.moves == 0 { return "a plan has begun: \(what); nothing is copied" }
        return "a plan has begun: \(what); \(plan.moves) replicas to copy, the fewest possible being \(plan.minimum)"
    }

    private func ended(_ reason: ChangePlan.Reason, isCancelled: Bool) -> String {
        switch reason {
        case .split where isCancelled:
            "the plan was cancelled: no more partitions are split; there are \(topology.assignments.count)"
        case .split: "the plan is done: there are \(topology.assignments.count) partitions"
        case .operatorAsked, .eviction:
            isCancelled
                ? "the plan was cancelled: every partition is back where it was"
                : "the plan is done: every partition is where it is to be"
        }
    }
}
