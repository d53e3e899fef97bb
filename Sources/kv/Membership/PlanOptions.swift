import ArgumentParser
import Glibc

/// The options that `kv join` and `kv leave` have in common.
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

    @Flag(help: "Stop the copies under way where they are, and begin no others.")
    var pause = false

    @Flag(help: "Go on after a pause.")
    var resume = false

    @Flag(help: "Undo what the plan did.")
    var cancel = false

    var order: Order? { pause ? .pause : resume ? .resume : cancel ? .cancel : nil }

    func checkNodes(_ nodes: [String]) throws {
        let orders = [pause, resume, cancel].count { $0 }
        if orders > 1 { throw ValidationError("give one of --pause, --resume and --cancel") }
        if orders == 1 && !nodes.isEmpty {
            throw ValidationError("--pause, --resume and --cancel are about the plan under way: name no nodes")
        }
        if orders == 1 && dryRun { throw ValidationError("--dry-run is about a plan that has not begun") }
        if orders == 0 && nodes.isEmpty { throw ValidationError("name the nodes") }
        if Set(nodes).count < nodes.count { throw ValidationError("a node is named twice") }
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
