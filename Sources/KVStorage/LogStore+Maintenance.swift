import KVCore

// Sidecars and merging, one small step at a time.

/// The state of maintenance.
enum Maintenance {
    case idle
    /// The newest segment is about to end, so that its garbage can be removed.
    case sealing
    case indexing(SidecarWriter)
    /// The records of a segment that are still needed are appended again. The next step waits until `written` is
    /// durable.
    case merging(SegmentCursor, written: LogPosition)
    /// A step of merging has been read. Its records are looked at, so many in each turn.
    case copying(Copying)
    /// The records of a damaged segment that can still be read are appended again, one by one. The next step waits
    /// until `written` is durable.
    case emptying(Emptying, written: LogPosition)
    /// All records of a segment that are needed have been appended again. It is removed when everything up to `barrier`
    /// is durable. The barrier also covers the appends that overwrote the other records: they may be younger than the
    /// copies.
    case removing(UInt32, barrier: LogPosition)
}

extension LogStore {
    /// The number of appends after which to look again for a segment to merge. The store also looks when a segment is
    /// sealed and, when the disk is nearly full, after each append.
    static let maintenanceCheck: LogPosition = 1024

    /// Takes the next step of maintenance. Nil when there is nothing to do, when one is under way, and until the
    /// appends of the last step are durable. This is the throttle: at most `options.mergeStep` bytes with each commit,
    /// unless merging is behind (`LogRoom`). What a call does itself is bounded as well, by `options.mergeRecords` and
    /// `options.indexStep`: it leaves the rest to the next calls (`isCopying`, `isDropping`).
    package func takeMaintenance() -> MaintenanceJob? {
        tidyIndex()
        guard failure == nil, !maintenanceUnderWay else { return nil }
        if case .copying(let copying) = maintenance { copy(copying) }
        if case .indexing(let writer) = maintenance, room.isShort, appended >= nextMaintenanceCheck {
            suspendedSidecar = writer
            maintenance = .idle
        }
        if case .idle = maintenance, appended >= nextMaintenanceCheck || maySealNewest {
            chooseMaintenance()
            if case .idle = maintenance {
                nextMaintenanceCheck = appended + (acceptsWrites ? Self.maintenanceCheck : 1)
            }
        }
        switch maintenance {
        case .idle, .copying: return nil
        case .sealing:
            maintenanceUnderWay = true
            return MaintenanceJob(task: .seal)
        case .indexing(let writer):
            maintenanceUnderWay = true
            return MaintenanceJob(task: .index(writer))
        case .merging(let cursor, let position):
            guard durable >= position || mayMergeAhead else { return nil }
            maintenanceUnderWay = true
            return MaintenanceJob(task: .merge(cursor))
        case .emptying(let emptying, let position):
            guard durable >= position, acceptsCopies, let file = catalog.segments[emptying.segment]?.file
            else { return nil }
            maintenanceUnderWay = true
            let (items, next) = nextToMove(emptying)
            let job = RecordsJob(file: file, path: path(emptying.segment), items: items)
            return MaintenanceJob(task: .empty(job, next: next))
        case .removing(let number, let barrier):
            guard durable >= barrier, !isScrubbed(number), !catalog.isDiscounting else { return nil }
            assert(catalog.segments[number]?.live == 0, "nothing refers to a segment that goes")
            maintenanceUnderWay = true
            return MaintenanceJob(task: .remove(removal(of: number, barrier)))
        }
    }

    /// The removal of a segment. From now on it alone has the segment's file: the system takes milliseconds to close
    /// the last descriptor of a large file that is unlinked, so that is done where the removal is, not by the caller.
    private func removal(of number: UInt32, _ barrier: LogPosition) -> SegmentRemoval {
        let segment = catalog.segments[number]
        let removal = SegmentRemoval(
            fileSystem: fileSystem, directory: options.directory, identity: identity, shard: options.shard,
            number: number, file: segment?.file, hasSidecar: segment?.hasSidecar ?? false,
            hasTemporary: suspendedSidecar?.cursor.segment.number == number,
            unsynced: syncedPosition < barrier ? catalog.segments[written.segment]?.file : nil)
        segment?.file = nil
        if suspendedSidecar?.cursor.segment.number == number { suspendedSidecar = nil }
        if scrub.cursor?.segment.number == number { scrub.cursor = nil }
        return removal
    }

    /// True while a step of scrubbing reads the segment. It comes back with the segment's file.
    private func isScrubbed(_ number: UInt32) -> Bool {
        scrub.isUnderWay && scrub.cursor?.segment.number == number
    }

    private func tidyIndex() {
        var work = options.indexStep
        if catalog.isDiscounting, catalog.discount(&work) { roomMade() }
        if catalog.isPurging, catalog.purge(&work) { roomMade() }
        // The search of the index for records of a damaged segment goes by entries' numbers, which would change.
        if case .emptying = maintenance { return }
        if work > 0, catalog.hasMemoryToShrink { catalog.shrink(work) }
    }

    /// Returns the failure, if the step failed.
    @discardableResult
    package func completed(_ result: MaintenanceResult) -> StoreError? {
        assert(maintenanceUnderWay, "a step of maintenance comes back once")
        maintenanceUnderWay = false
        nextMaintenanceCheck = 0
        switch result.outcome {
        case .failed(.damaged):
            if let segment = segmentUnderWork { markDamaged(segment) }
            maintenance = .idle
        case .failed(let error): return fail(error)
        case .emptied(let job, let found, let next): return emptied(job, found, next)
        case .indexed(let next): indexed(next)
        case .merged(let progress): merged(progress)
        case .removed:
            guard case .removing(let number, let barrier) = maintenance else {
                assertionFailure("a step comes back to the maintenance that it is of")
                break
            }
            synced(barrier, 0)
            catalog.segments.remove(number)
            counts.mergedSegments += 1
            maintenance = .idle
        case .sealing:
            maintenance = .idle
            writer.endSegment()
            // The new segment holds the partitions' states at least. The old one is sealed when this batch is
            // committed.
            if !writer.hasPending { beginBatch() }
        }
        return nil
    }

    /// The segment that maintenance is reading.
    private var segmentUnderWork: Segment? {
        switch maintenance {
        case .indexing(let writer): catalog.segments[writer.cursor.segment.number]
        case .merging(let cursor, _): catalog.segments[cursor.segment.number]
        case .emptying(let emptying, _): catalog.segments[emptying.segment]
        case .idle, .sealing, .copying, .removing: nil
        }
    }

    private func emptied(_ job: RecordsJob, _ found: [[UInt8]?], _ next: Emptying?) -> StoreError? {
        guard case .emptying(let emptying, _) = maintenance else {
            assertionFailure("a step comes back to the maintenance that it is of")
            return failure
        }
        do throws(StoreError) { try move(job.items, found) } catch { return error }
        if let next {
            maintenance = .emptying(next, written: appended)
        } else {
            catalog.segments[emptying.segment]?.isEmptied = true
            maintenance = .idle
        }
        return failure
    }

    private func indexed(_ next: SidecarWriter?) {
        guard case .indexing(let writer) = maintenance else {
            return assertionFailure("a step comes back to the maintenance that it is of")
        }
        if let next {
            maintenance = .indexing(next)
        } else {
            catalog.segments[writer.cursor.segment.number]?.hasSidecar = true
            maintenance = .idle
        }
    }

    private func merged(_ progress: SegmentCursor.Progress) {
        guard case .merging(let cursor, _) = maintenance else {
            return assertionFailure("a step comes back to the maintenance that it is of")
        }
        copy(Copying(cursor: cursor, progress: progress))
    }

    /// True while records of a step of merging are still to be looked at: the next call of `takeMaintenance`, which
    /// should come with the next turn, goes on with them.
    package var isCopying: Bool {
        if case .copying = maintenance { true } else { false }
    }

    /// True while purged tombstones or wiped records are to be dropped. Nothing waits for that, so the calls of
    /// `takeMaintenance` that do it may come at intervals.
    package var isDropping: Bool { catalog.isPurging || catalog.isDiscounting }

    /// Appends again the next records of a step that the index refers to, and purged tombstones that are still needed.
    private func copy(_ copying: Copying) {
        var copying = copying
        // While the step is looked at, nothing else holds its bytes.
        maintenance = .idle
        let isDone = copying.forEach(limit: options.mergeRecords) { records in
            let keys = records.map { view, _ in
                (partition: catalog.owner(of: view.partition, view.key), hash: KeyHash(view.key))
            }
            prefetch(keys, isIndexOnly: true)
            for ((view, location), key) in zip(records, keys) where view.kind != .state {
                appendAgain(view, location, key.partition, key.hash)
            }
        }
        if !isDone {
            maintenance = .copying(copying)
        } else if let next = copying.next {
            maintenance = .merging(next, written: appended)
        } else {
            maintenance = .removing(copying.cursor.segment.number, barrier: appended)
        }
    }

    /// - Parameter owner: the partition that has the record now.
    private func appendAgain(_ view: RecordView, _ location: Location, _ owner: PartitionID, _ hash: KeyHash) {
        guard let partition = catalog.holder(of: view.key, hash, in: owner) else { return }
        // A tombstone's entry is found by its key, because it may have been purged.
        let found =
            view.kind == .value ? partition.index.find(at: location, hash) : find(view.key, hash, partition)
        if let found {
            let pointer = partition.index.pointer(found)
            // It has been overwritten.
            guard pointer.pointee.location == location else { return }
            let target = append(view, to: openBatch())
            catalog.segments[location.segment]?.live -= view.length
            catalog.segments[target.segment]?.live += view.length
            pointer.pointee.location(target)
        } else if catalog.isSuppressor(view, location, partition) {
            // Invariant 12: a purged tombstone goes on hiding older records on disk, so it moves with the rest.
            let target = append(view, to: openBatch())
            catalog.suppress(partition, target.segment, view.length)
        }
    }

    // MARK: What to do next

    private func chooseMaintenance() {
        survey()
        let victim = victim()
        if victim == nil { room.rest() }
        if let victim, let cursor = cursor(victim) {
            if isEmpty(victim) {
                maintenance = .removing(victim.number, barrier: appended)
            } else {
                maintenance = .merging(cursor, written: 0)
                room.beginMerge(of: victim.end, garbage: UInt64(clamping: garbage(victim)))
            }
        } else if newestShouldEnd() {
            maintenance = .sealing
        } else if let damaged = catalog.segments.all.first(where: { $0.isSealed && $0.isDamaged && !$0.isEmptied }) {
            maintenance = .emptying(Emptying(segment: damaged.number), written: 0)
        } else if let bare = catalog.segments.all.first(where: { $0.isSealed && !$0.hasSidecar && !$0.isDamaged }),
            let cursor = cursor(bare)
        {
            let begun = suspendedSidecar.flatMap { $0.cursor.segment.number == bare.number ? $0 : nil }
            maintenance = .indexing(begun ?? SidecarWriter(cursor, fileSystem, directory: options.directory))
            suspendedSidecar = nil
        }
    }

    func cursor(_ segment: Segment) -> SegmentCursor? {
        guard let file = segment.file else { return nil }
        return SegmentCursor(
            file: file, path: path(segment.number), segment: writer.identity(segment.number), end: segment.end,
            step: max(options.mergeStep, 1))
    }

    /// Makes the next `takeMaintenance` look for garbage: a wipe, a purge or damage has made some without appends.
    func roomMade() {
        nextMaintenanceCheck = 0
        maySealNewest = true
    }

    /// True when the newest segment holds so much garbage that a new one should begin: there may be no writes for long,
    /// and only a sealed segment is removed or merged. While there are writes, it fills soon enough.
    private func newestShouldEnd() -> Bool {
        guard maySealNewest, !writer.hasPending, writer.inFlight == nil else { return false }
        maySealNewest = false
        guard let newest = catalog.segments[writer.tail.segment] else { return false }
        if newest.isDamaged { return true }
        let garbage = garbage(newest)
        return garbage >= max(1, min(segmentSize / 8, options.preallocation)) && garbage * 2 >= newest.total
    }

    /// Bytes of records that need not stay. Purged tombstones must stay unless the segment is the oldest.
    private func garbage(_ segment: Segment) -> Int {
        segment.total - segment.live - (isOldest(segment) ? 0 : segment.suppressors)
    }

    /// True when nothing in the segment is needed, so that it can be removed without being read.
    private func isEmpty(_ segment: Segment) -> Bool {
        segment.live == 0 && (segment.suppressors == 0 || isOldest(segment))
    }

    private func isOldest(_ segment: Segment) -> Bool { catalog.segments.oldest === segment }

    /// The segment to merge or remove: one of which nothing is needed, or the one whose records are garbage for the
    /// largest part (the greedy choice of log-structured stores), if the log is too long or little of it is left to
    /// copy. When the disk is nearly full, less garbage is enough. When many purged tombstones have piled up it is the
    /// oldest segment, since only there can they be dropped.
    private func victim() -> Segment? {
        var total = 0
        var suppressors = 0
        var most: (segment: Segment, garbage: Int)?
        for segment in catalog.segments.all where segment.isSealed {
            if isEmpty(segment) { return segment }
            if segment.isDamaged { continue }
            let garbage = garbage(segment)
            // Only here are purged tombstones dropped, and then perhaps in the segments after it.
            if segment.suppressors > 0, isOldest(segment), garbage * 2 >= segment.total { return segment }
            if most.map({ garbage * $0.segment.total > $0.garbage * segment.total }) ?? (garbage > 0) {
                most = (segment, garbage)
            }
            total += segment.total
            suppressors += segment.suppressors
        }
        if let most, let enough = enoughGarbage, most.garbage * 100 >= most.segment.total * enough {
            return most.segment
        }
        if suppressors > max(total / 4, segmentSize), catalog.segments.oldest?.isDamaged == false {
            return catalog.segments.oldest
        }
        return nil
    }

    /// The percentage of garbage from which a segment is merged; nil where none is, however much it has.
    private var enoughGarbage: Int? {
        if !acceptsWrites { return 10 }
        if room.isShort { return options.mergeGarbage }
        return room.disk > neverTooLong ? options.cheapGarbage : nil
    }
}
