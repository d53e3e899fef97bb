// The end of a tick.

extension Shard {
    /// True if reads wait for another flush, at once: they were looked up after the last one's time was read.
    package var wantsLook: Bool { context.wantsLook }

    /// Ends a tick.
    ///
    /// - Parameter now: The time, read after the last input: what the leases of leaders are worth is judged by it, and
    ///   the process may have slept since the inputs came.
    package func flush(now: Now) {
        context.now = now
        context.look += 1
        giveSupport()
        for partition in context.takeUnlooked() { restingReplica(partition).map(context.markDirty) }
        endTick()
    }

    /// Does what `flush` does, in the middle of a tick, without another look at the clock.
    func endTick() {
        context.endMovingTurn()
        drainDurable()
        routeTurnedAway()
        // A flush may answer what lets another operation go on, which may dirty a partition again.
        while !context.dirty.isEmpty {
            let dirty = context.dirty
            context.dirty.removeAll(keepingCapacity: true)
            for partition in dirty {
                // It has left this node while it waited for room in a peer's window.
                guard let replica = replica(partition) else { continue }
                replica.isDirty = false
                replica.flush()
            }
            drainDurable()
            routeTurnedAway()
        }
    }

    /// Looks for another leader for the requests that this node's replicas have turned away.
    func routeTurnedAway() {
        var next = 0
        // Routing one may have another turned away.
        while next < context.turnedAway.count {
            let (request, hint) = context.turnedAway[next]
            next += 1
            router.turnedAway(request, hint: hint, by: me, replicas)
        }
        context.turnedAway.removeAll(keepingCapacity: true)
    }
}
