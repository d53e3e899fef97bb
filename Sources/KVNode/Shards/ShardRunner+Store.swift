import KVAPI
import KVCore
import KVStorage
import NIOCore
import NIOPosix

/// Runs the store's jobs on the storage threads, and processes their results.
extension ShardRunner {
    /// Writes what is left before the store is closed.
    func commitLast() {
        guard store.failure == nil, let job = store.takeCommit(isLast: true) else { return }
        commit(job)
    }

    func commit(_ job: CommitJob) {
        runBlocking(commitPool, { job.run() }) { runner, result in runner.advanced(runner.store.completed(result)) }
    }

    /// The size of the value that the request would have to read from disk, if that is more than the request allows for
    /// and enough is being read already; nil when it may be read.
    func excess(_ request: Request) -> Int? {
        guard case .get = request.command, let size = store.sizeOnDisk(request.partition, request.key),
            size > request.allowance, !loads.mayExpect(size)
        else { return nil }
        return size
    }

    /// Reads values: those that may be read now in one job on one storage thread, the others when earlier ones are
    /// done.
    func load(_ tickets: [ReadTicket]) { read(loads.admit(tickets)) }

    private func read(_ tickets: [ReadTicket]) {
        guard !tickets.isEmpty, check(store.failure) else { return }
        var jobs: [ReadJob] = []
        var bytes = 0
        var more: [ReadTicket] = []
        for ticket in tickets {
            guard let job = store.takeRead(ticket) else {
                more += loads.ended(ticket.bytes)
                // The value is not known. It is reported as damaged, so that nobody takes it for absent.
                handle(.loaded(ticket, .damaged))
                continue
            }
            bytes += ticket.bytes
            jobs.append(job)
        }
        read(more)
        guard !jobs.isEmpty else { return }
        runBlocking(readPool, { [jobs] in jobs.map { $0.run() } }) { [bytes] runner, results in
            let next = runner.loads.ended(bytes)
            defer { if !runner.isStopped { runner.read(next) } }
            do throws(StoreError) {
                for result in results {
                    let loaded = try runner.store.completed(result)
                    guard !runner.isStopped else { continue }
                    runner.handle(.loaded(loaded.ticket, loaded.value))
                    if case .damaged = loaded.value { runner.repair() }
                }
            } catch {
                runner.check(error)
            }
        }
    }

    /// Begins what is due: a sync by the interval, scrubbing, a step of maintenance.
    func maintainStore(_ now: Instant) {
        sync(now: now)
        if let job = store.takeScrub(now: now) {
            runBlocking(upkeepPool, { job.run() }) { runner, result in runner.check(runner.store.completed(result)) }
        }
        maintain()
    }

    func maintain() {
        let job = store.takeMaintenance()
        if store.isDropping { scheduleDropping() }
        guard let job else {
            // The next turn goes on with it.
            if store.isCopying { scheduleTick() }
            return
        }
        runBlocking(upkeepPool, { job.run() }) { runner, result in
            guard runner.check(runner.store.completed(result)), !runner.isStopped else { return }
            // The next commit takes the records that the step appended again, and may have waited for the step.
            runner.scheduleTick()
        }
    }

    /// The pause between two steps of dropping purged tombstones or wiped records, which take some 0.2 ms each. Nobody
    /// waits for them, so they leave most of the time to others, also where nodes share a processor.
    private static let droppingPause = TimeAmount.milliseconds(1)

    private func scheduleDropping() {
        guard !isDroppingScheduled else { return }
        isDroppingScheduled = true
        loop.assumeIsolated().scheduleTask(in: Self.droppingPause) { [self] in
            isDroppingScheduled = false
            guard !isStopped else { return }
            maintain()
            scheduleTick()
        }
    }

    func measureSpace() {
        let job = store.takeMeasurement()
        runBlocking(upkeepPool, { job.run() }) { runner, result in runner.store.completed(result) }
    }

    /// - Parameter isLast: the node stops in good order, so everything written is synced in any mode.
    func sync(now: Instant, isLast: Bool = false) {
        guard let job = store.takeSync(now: now, isLast: isLast) else { return }
        runBlocking(upkeepPool, { job.run() }) { runner, result in runner.advanced(runner.store.completed(result)) }
    }

    /// More is written or synced: whatever waited for that goes on.
    private func advanced(_ failure: StoreError?) {
        guard check(failure), !isStopped else { return }
        let now = readClock()
        // Appends that came during this sync may need another one.
        sync(now: now.monotonic)
        shard.handle(.durable, now: now)
        tick()
    }

    private func runBlocking<Result: Sendable>(
        _ pool: NIOThreadPool, _ work: @escaping @Sendable () -> Result,
        then: @escaping @Sendable (ShardRunner, Result) -> Void
    ) {
        jobs += 1
        pool.submit { [self] _ in
            let result = work()
            loop.execute { [self] in
                jobs -= 1
                then(self, result)
                if isStopped { finishStopping() }
            }
        }
    }

    /// Ends the process if the store has failed, and returns false.
    @discardableResult
    func check(_ failure: StoreError?) -> Bool {
        guard let failure else { return true }
        isStopped = true
        onStoreFailure(failure)
        return false
    }
}
