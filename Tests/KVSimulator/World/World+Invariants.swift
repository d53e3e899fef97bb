import KVCore

extension World {
    /// Ticks of a shard between two looks at everything that its store holds.
    private static var storeInterval: UInt64 { 64 }

    /// Ticks of a shard between two looks at what it holds the others to lead.
    private static var listInterval: UInt64 { 16 }

    /// Where a shard has the same version of what a shard of another node leads, it must be the same list.
    private func brokenList(of runner: Runner, _ node: Node) -> String? {
        for other in nodes where other !== node {
            for peer in other.process?.runners ?? [] {
                if let flaw = runner.shard.flaw(inListOf: peer.shard) { return flaw }
            }
        }
        return nil
    }

    /// Has a shard check its own state. (What it asserts in passing ends the program.)
    func checkInvariants(_ node: Node, _ runner: Runner) {
        runner.ticks += 1
        let broken =
            runner.shard.brokenInvariant
            ?? (runner.ticks % Self.storeInterval == 0 ? node.driver.brokenInvariant(shard: runner.index) : nil)
            ?? (runner.ticks % Self.listInterval == 0 ? brokenList(of: runner, node) : nil)
        if let broken { failure = Violation(.invariants, "node \(name(node, runner)): \(broken)") }
    }
}
