import KVAPI
import KVCore
import KVStorage
import NIOCore
import NIOPosix

/// What the storage threads do for a shard, and what follows when it is done.
extension ShardRunner {
    func commit() {
        guard store.failure == nil, let job = store.takeCommit() else { return }
        commit(job)
    }

    func commit(_ job: CommitJob) {
        runBlocking(commitPool, { job.run() }) { runner, result in runner.advanced(runner.store.completed(result)) }
    }

    /// How large a value is that would have to be read from the disk, where that is more than the request allows for
    /// and enough is being read; nil where it is to be read.
    func excess(_ request: Request) -> Int? {
        guard case .get = request.command, let size = store.sizeOnDisk(request.partition, request.key),
            size > request.allowance, !loads.mayExpect(size)
        else { return nil }
        return size
    }

    /// One storage thread reads them all; what is too much for now is read when others have been.
    func load(_ tickets: [ReadTicket]) { read(loads.admit(tickets)) }

    private func read(_ tickets: [ReadTicket]) {
        guard !tickets.isEmpty, check(store.failure) else { return }
        var jobs: [ReadJob] = []
        var bytes = 0
        var more: [ReadTicket] = []
        for ticket in tickets {
            guard let job = store.takeRead(ticket) else {
                more += loads.ended(ticket.bytes)
                // Nobody knows what it holds, so nobody is told that it holds nothing.
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

    /// Syncs by the interval, sidecars of sealed segments, merging: a step at a time.
    func maintainStore(_ now: Instant) {
        sync(now: now)
        if let job = store.takeScrub(now: now) {
            runBlocking(upkeepPool, { job.run() }) { runner, result in runner.check(runner.store.completed(result)) }
        }
        guard let job = store.takeMaintenance() else { return }
        runBlocking(upkeepPool, { job.run() }) { runner, result in
            guard runner.check(runner.store.completed(result)), !runner.isStopped else { return }
            // What it appended again goes with the next commit.
            runner.scheduleTick()
        }
    }

    func measureSpace() {
        let job = store.takeMeasurement()
        runBlocking(upkeepPool, { job.run() }) { runner, result in runner.store.completed(result) }
    }

    /// - Parameter isLast: what has been written is to be on disk, whatever the mode says: the node stops in good
    ///   order.
    func sync(now: Instant, isLast: Bool = false) {
        guard let job = store.takeSync(now: now, isLast: isLast) else { return }
        runBlocking(upkeepPool, { job.run() }) { runner, result in runner.advanced(runner.store.completed(result)) }
    }

    /// More is written, or synced: what waited for that goes on.
    private func advanced(_ failure: StoreError?) {
        guard check(failure), !isStopped else { return }
        let now = look()
        // What came meanwhile may be waiting for another.
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

    /// False, and the process ends, where the store has failed.
    @discardableResult
    func check(_ failure: StoreError?) -> Bool {
        guard let failure else { return true }
        isStopped = true
        onStoreFailure(failure)
        return false
    }
}
