import KVCore

extension World {
    /// Ticks of a process between two looks at everything that its store holds.
    private static var storeInterval: UInt64 { 64 }

    /// Ticks of a process between two looks at what it holds the others to lead.
    private static var listInterval: UInt64 { 16 }

    /// Where a process has the same version of what another one leads, it must be the same list.
    private func brokenList(of process: Process) -> String? {
        for other in nodes {
            guard let otherProcess = other.process, otherProcess !== process else { continue }
            if let flaw = process.shard.flaw(inListOf: otherProcess.shard) { return flaw }
        }
        return nil
    }

    /// Has a process check its own state. (What it asserts in passing ends the program.)
    func checkInvariants(_ node: Node, _ process: Process) {
        process.ticks += 1
        let broken =
            process.shard.brokenInvariant
            ?? (process.ticks % Self.storeInterval == 0 ? node.driver.brokenInvariant : nil)
            ?? (process.ticks % Self.listInterval == 0 ? brokenList(of: process) : nil)
        if let broken { failure = Violation(.invariants, "node \(node.number): \(broken)") }
    }
}
