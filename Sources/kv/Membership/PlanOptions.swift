import ArgumentParser
import Glibc

/// The options that `kv join`, `kv leave` and `kv ring --split` have in common.
struct PlanOptions: ParsableArguments {
    /// An order about the plan that is under way.
    enum Order: String {
        case pause, resume, cancel
    }

    @Flag(name: [.short, .long], help: "Begin without asking.")
    var yes = false

    @Flag(help: "Only show what would be done.")
    var dryRun = false

    @Flag(help: "Do not wait for the end.")
    var noWait = false

    @Flag(help: "Stop the copies under way where they are, and begin no others; split no more partitions.")
    var pause = false

    @Flag(help: "Go on after a pause.")
    var resume = false

    @Flag(help: "Undo what the plan did; partitions that were split stay so.")
    var cancel = false

    var order: Order? { pause ? .pause : resume ? .resume : cancel ? .cancel : nil }

    func checkNodes(_ nodes: [String]) throws {
        try checkOrders(isAlone: nodes.isEmpty, advice: "name no nodes")
        if order == nil && nodes.isEmpty { throw ValidationError("name the nodes") }
        if Set(nodes).count < nodes.count { throw ValidationError("a node is named twice") }
    }

    /// - Parameters:
    ///   - isAlone: whether the command line does not say what a new plan is to do.
    ///   - advice: says what to leave out if it does.
    func checkOrders(isAlone: Bool, advice: String) throws {
        let orders = [pause, resume, cancel].count { $0 }
        if orders > 1 { throw ValidationError("give one of --pause, --resume and --cancel") }
        if orders == 1 && !isAlone {
            throw ValidationError("--pause, --resume and --cancel are about the plan under way: \(advice)")
        }
        if orders == 1 && dryRun { throw ValidationError("--dry-run is about a plan that has not begun") }
    }

    /// Asks at the terminal whether to begin.
    /// - Throws: `Failure` if there is no terminal to ask on.
    func isConfirmed() throws -> Bool {
        if yes { return true }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw Failure(
                .usage, "there is no terminal to ask on, so nothing was done: add --yes to begin, or --dry-run to look")
        }
        Output.prompt("Begin? [y/N] ")
        let answer = readLine()?.lowercased()
        return answer == "y" || answer == "yes"
    }
}
