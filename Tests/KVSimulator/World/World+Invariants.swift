import KVCore

extension World {
    /// Ticks of a process between two looks at everything that its store holds.
    private static var storeInterval: UInt64 { 64 }

    /// Has a process check its own state. (What it asserts in passing ends the program.)
    func checkInvariants(_ node: Node, _ process: Process) {
        process.ticks += 1
        let broken =
            process.shard.brokenInvariant
            ?? (process.ticks % Self.storeInterval == 0 ? node.driver.brokenInvariant : nil)
        if let broken { failure = Violation(.invariants, "node \(node.number): \(broken)") }
    }
}
