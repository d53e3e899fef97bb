import KVCore

// Commits and syncs.

extension LogStore {
    /// Takes everything that was appended since the last commit, to be written at once. Nil while a commit is under
    /// way, when there is nothing to write, and while a step of merging has to come first (`LogRoom`): take that then,
    /// and ask again when it has come back. A burst beyond `LogWriter.maximumBatch` takes several commits.
    ///
    /// - Parameter isLast: the store is about to be closed, so that nothing has to come first.
    package func takeCommit(isLast: Bool = false) -> CommitJob? {
        guard failure == nil, isLast || !holdsCommits, let buffer = writer.take(synced: syncedBatch) else { return nil }
        guard let segment = catalog.segments[buffer.segment.number] else {
            preconditionFailure("batch \(buffer.number) is of segment \(buffer.segment.number), which is gone")
        }
        var newSegment: CommitJob.NewSegment?
        if buffer.beginsSegment {
            let previous = catalog.segments[segment.number - 1]
            var header = SegmentHeader(
                identity: buffer.segment, firstBatch: buffer.number, previousEnd: previous?.end ?? 0)
            if catalog.isSplit { header.format = SegmentHeader.splitFormat }
            newSegment = CommitJob.NewSegment(identity: identity, previous: previous?.file, header: header)
            preallocated = 0
        }
        var preallocation: UInt64?
        if UInt64(buffer.end) > preallocated {
            let step = UInt64(max(1, min(preallocationStep, segmentSize / 4)))
            preallocated = (UInt64(buffer.end) + step - 1) / step * step
            preallocation = preallocated
        }
        writtenSinceMeasure += UInt64(buffer.end - buffer.offset)
        room.taken += UInt64(buffer.end - buffer.offset)
        if buffer.beginsSegment || room.taken >= room.nextSurvey { survey() }
        return CommitJob(
            fileSystem: fileSystem, directory: options.directory, buffer: buffer, path: path(segment.number),
            file: segment.file, newSegment: newSegment, preallocation: preallocation,
            sync: options.sync == .always,
            measure: buffer.beginsSegment || writtenSinceMeasure > options.reserve(of: space) / 16)
    }

    /// Bytes by which the file grows ahead of its writes. In `SyncMode.always`, zeros written ahead are synced together
    /// with the next batch, so there are fewer of them.
    private var preallocationStep: Int {
        options.sync == .always ? min(options.preallocation, Self.longestWrittenAhead) : options.preallocation
    }

    private static let longestWrittenAhead = 4 << 20

    /// Advances `durable`, or sets `failure` and returns it.
    @discardableResult
    package func completed(_ result: CommitResult) -> StoreError? {
        guard let buffer = writer.inFlight else {
            assertionFailure("a commit comes back once")
            return failure
        }
        let file: any File
        switch result.outcome {
        case .failure(let error): return fail(error)
        case .success(let opened): file = opened
        }
        writer.landed()
        if let measured = result.space { use(measured) }
        let segment = catalog.segments[buffer.segment.number]
        assert(segment?.isSealed == false, "batches are written to the newest segment")
        segment?.file = file
        segment?.end = UInt64(buffer.end)
        let end = Location(segment: buffer.segment.number, offset: buffer.end)
        assert(written < end, "the log grows at its end")
        written = end
        if buffer.beginsSegment {
            // The commit job synced the previous segment before it created this one.
            if let previous = catalog.segments[buffer.segment.number - 1] { previous.isSealed = true }
            nextMaintenanceCheck = 0
            survey()
            synced(durable, buffer.number - 1)
        }
        // Invariant 7: only what is durable is told, so this is the place that says what is.
        assert(durable <= buffer.lastPosition && buffer.lastPosition <= appended, "batches are written in their order")
        durable = buffer.lastPosition
        counts.commits += 1
        counts.writtenBytes += UInt64(buffer.end - buffer.offset)
        if options.sync == .always {
            counts.syncs += 1
            synced(buffer.lastPosition, buffer.number)
        } else if buffer.mustSync {
            syncWanted = buffer.lastPosition
        }
        return nil
    }

    /// Takes a sync of what has been written: when a promise, a wipe or a purge floor waits for one, or, in
    /// `SyncMode.interval`, when the interval has passed since the last one. Nil otherwise, and while a sync is under
    /// way. Call it on a timer, and after every commit and sync. Commits go on during a sync, which can take long.
    ///
    /// - Parameter isLast: nothing is written afterwards, so what is not synced yet is synced in any mode.
    package func takeSync(now: Instant, isLast: Bool = false) -> SyncJob? {
        guard failure == nil, !syncUnderWay, syncedPosition < durable, isLast || isSyncDue(now) else { return nil }
        guard let file = catalog.segments[written.segment]?.file else {
            assertionFailure("the segment that was written last is open")
            return nil
        }
        lastSync = now
        syncUnderWay = true
        return SyncJob(file: file, position: durable, batch: lastWrittenBatch)
    }

    private func isSyncDue(_ now: Instant) -> Bool {
        if syncWanted > syncedPosition { return true }
        guard case .interval(let interval) = options.sync else { return false }
        guard let lastSync else { return true }
        return now - lastSync >= interval
    }

    /// True while a `SyncJob` runs: a write may have to wait for it.
    package var isSyncing: Bool { syncUnderWay }

    /// Returns the failure, if the sync failed.
    @discardableResult
    package func completed(_ result: SyncResult) -> StoreError? {
        assert(syncUnderWay, "a sync comes back once")
        syncUnderWay = false
        if let error = result.error { return fail(error) }
        counts.syncs += 1
        synced(result.position, result.batch)
        return nil
    }

    /// The number of the newest batch that is written.
    var lastWrittenBatch: UInt64 { writer.nextBatch - (writer.inFlight == nil ? 1 : 2) }

    func synced(_ position: LogPosition, _ batch: UInt64) {
        assert(position <= durable && batch <= lastWrittenBatch, "nothing is synced before it is written")
        syncedPosition = max(syncedPosition, position)
        syncedBatch = max(syncedBatch, batch)
    }

    func path(_ segment: UInt32) -> String { options.directory + "/" + FileName.segment(segment) }
}
