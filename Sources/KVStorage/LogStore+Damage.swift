import KVCore

// Damage on disk.
//
// The index has every record's key, version and location. So a record that cannot be read is not lost as long as
// another replica has the same version: `damagedRecords` names it, and `restore` writes it again. The segment that it
// lay in is no longer trusted. What can still be read of it is moved elsewhere, one record at a time, and the segment
// is removed when nothing refers to it.

extension LogStore {
    /// The records that cannot be read, in no order; at most `StoreOptions.maximumDamage`. Records that have been
    /// restored, overwritten or deleted since are left out.
    package func damagedRecords() -> [DamagedRecord] {
        guard !spoiled.isEmpty else { return [] }
        let known = spoiled.count
        spoiled = spoiled.filter { location, damaged in entry(of: damaged)?.pointee.location == location }
        // A segment that nothing refers to any more can now be removed.
        if spoiled.count < known { nextMaintenanceCheck = 0 }
        return spoiled.values.map(present)
    }

    /// The record under the partition that has it now: it may have been split off since the damage was found.
    private func present(_ damaged: DamagedRecord) -> DamagedRecord {
        DamagedRecord(
            partition: catalog.owner(of: damaged.partition, damaged.key), key: damaged.key, version: damaged.version)
    }

    /// The number of damaged records found since the store was opened, and the number of them that were restored.
    package var damageCounts: (found: Int, repaired: Int) { (counts.damagedRecords, counts.repairedRecords) }

    package func restore(_ id: PartitionID, _ key: Key, _ record: Record) -> Bool {
        // There is no room, or the answer does not fit: it is asked for again.
        guard failure == nil, acceptsCopies, let value = record.value, value.count <= Self.maximumValue,
            record.contentType.utf8.count <= Record.maximumContentType
        else { return false }
        return key.bytes.withUnsafeBytes { key in
            let hash = KeyHash(key)
            guard let partition = catalog.holder(of: key, hash, in: id), let found = partition.index.find(key, hash)
            else { return false }
            let entry = partition.index.pointer(found).pointee
            // Invariant 2: one version names one value, so only the place on disk changes.
            guard entry.version == record.version, !entry.isTombstone else { return false }
            let (location, size) = append(record, id, key, to: openBatch())
            _ = catalog.hold(
                partition, found, key, hash, record.version, record.expiry, location, size,
                isTombstone: false)
            if spoiled.removeValue(forKey: entry.location) != nil { counts.repairedRecords += 1 }
            // A segment that nothing refers to any more can now be removed.
            nextMaintenanceCheck = 0
            return true
        }
    }

    /// Notes a record that cannot be read.
    /// - Throws: the failure of the store, when too many records cannot be read.
    func spoil(_ damaged: DamagedRecord, _ location: Location, _ error: StoreError) throws(StoreError) {
        if let segment = catalog.segments[location.segment] { markDamaged(segment) }
        // It has been found before.
        guard spoiled.updateValue(damaged, forKey: location) == nil else { return }
        counts.damagedRecords += 1
        lastDamage = error
        guard spoiled.count <= options.maximumDamage || damagedRecords().count <= options.maximumDamage else {
            throw fail(error)
        }
    }

    /// Marks a segment of which some bytes are not what was written. Nothing more is written to it, and its records are
    /// moved to others.
    func markDamaged(_ segment: Segment) {
        guard !segment.isDamaged else { return }
        segment.isDamaged = true
        if !segment.isSealed { writer.endSegment() }
        roomMade()
    }

    private func entry(of damaged: DamagedRecord) -> UnsafeMutablePointer<IndexEntry>? {
        let owner = catalog.owner(of: damaged.partition, damaged.key)
        return damaged.key.bytes.withUnsafeBytes { key in
            let hash = KeyHash(key)
            guard let partition = catalog.holder(of: key, hash, in: owner) else { return nil }
            return partition.index.find(key, hash).map { partition.index.pointer($0) }
        }
    }
}

// MARK: - Emptying a segment

/// The progress of the search of the index for records of a damaged segment.
struct Emptying: Sendable {
    let segment: UInt32
    /// The next entry to look at, by partition and by its number in the partition's index.
    var partition = 0
    var entry = 0

    /// The most entries of the index that one step looks at, and the most records that it moves.
    static let maximumSearched = 16 << 10
    static let maximumMoved = 256
}

/// Reads records of a segment one by one, at the locations that the index has.
struct RecordsJob: Sendable {
    struct Item: Sendable {
        let record: DamagedRecord
        let expiry: Expiry
        let isTombstone: Bool
        let location: Location
        let length: Int
    }

    let file: any File
    let path: String
    let items: [Item]

    /// The bytes of each record. Empty for a tombstone, since its index entry has everything; nil for a record that is
    /// not what was written.
    func run() throws(StoreError) -> [[UInt8]?] {
        var found: [[UInt8]?] = []
        for item in items {
            guard !item.isTombstone else {
                found.append([])
                continue
            }
            found.append(try bytes(of: item))
        }
        return found
    }

    private func bytes(of item: Item) throws(StoreError) -> [UInt8]? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: item.length, alignment: 8)
        defer { buffer.deallocate() }
        do throws(FileError) {
            guard try file.read(into: buffer, at: UInt64(item.location.offset)) == item.length else { return nil }
        } catch {
            guard error.isUnreadable else { throw .io(error) }
            return nil
        }
        guard let view = RecordView(UnsafeRawBufferPointer(buffer), at: 0, verify: true), view.length == item.length
        else { return nil }
        return Array(buffer)
    }
}

extension LogStore {
    /// Returns the next records of the segment to move, at most `mergeStep` bytes or one record, and where to go on
    /// afterwards. The latter is nil at the end of the index.
    func nextToMove(_ emptying: Emptying) -> ([RecordsJob.Item], Emptying?) {
        var (next, searched, bytes) = (emptying, 0, 0)
        var items: [RecordsJob.Item] = []
        let limit = catalog.heldLimit
        while next.partition < limit {
            // An entry that moves while a split is prepared goes to a partition of a higher number.
            let id = PartitionID(UInt16(truncatingIfNeeded: next.partition))
            if let partition = catalog.held(id) {
                while next.entry < partition.index.entries.upperBound {
                    guard searched < Emptying.maximumSearched, items.count < Emptying.maximumMoved,
                        bytes < options.mergeStep
                    else { return (items, next) }
                    searched += 1
                    defer { next.entry += 1 }
                    guard partition.index.isUsed(next.entry) else { continue }
                    let entry = partition.index.pointer(next.entry).pointee
                    guard entry.segment == emptying.segment else { continue }
                    let key = Key(Array(partition.index.key(next.entry)))
                    items.append(
                        RecordsJob.Item(
                            record: DamagedRecord(partition: partition.owner, key: key, version: entry.version),
                            expiry: Expiry(milliseconds: entry.expiry), isTombstone: entry.isTombstone,
                            location: entry.location, length: entry.length))
                    bytes += entry.length
                }
            }
            next.partition += 1
            next.entry = 0
        }
        return (items, nil)
    }

    /// Appends the records that could be read, and notes the others as damaged.
    func move(_ items: [RecordsJob.Item], _ found: [[UInt8]?]) throws(StoreError) {
        for (item, bytes) in zip(items, found) {
            // It has been overwritten, purged or wiped meanwhile.
            guard let pointer = entry(of: item.record), pointer.pointee.location == item.location else { continue }
            guard let bytes else {
                let error = StoreError.damaged(
                    file: path(item.location.segment), offset: UInt64(item.location.offset),
                    detail: "a record's checksum does not match")
                try spoil(item.record, item.location, error)
                continue
            }
            let buffer = openBatch()
            let target: Location
            if item.isTombstone {
                let record = Record(version: item.record.version, expiry: item.expiry, value: nil)
                let owner = catalog.owner(of: item.record.partition, item.record.key)
                target = item.record.key.bytes.withUnsafeBytes { append(record, owner, $0, to: buffer).0 }
                counts.mergedBytes += UInt64(item.length)
            } else {
                let copied = bytes.withUnsafeBytes { bytes in
                    RecordView(bytes, at: 0, verify: false).map { append($0, to: buffer) }
                }
                guard let copied else {
                    assertionFailure("the job has checked the record")
                    continue
                }
                target = copied
            }
            catalog.segments[item.location.segment]?.live -= item.length
            catalog.segments[target.segment]?.live += item.length
            pointer.pointee.location(target)
            spoiled[item.location] = nil
        }
    }
}

// MARK: - Scrubbing

/// The state of scrubbing: sealed segments are read again, slowly and one after another, so that damage is found while
/// other replicas still have the records.
struct Scrub {
    /// The position to read next; nil before the next segment is begun.
    var cursor: SegmentCursor?
    /// The segment that was scrubbed last.
    var last: UInt32 = 0
    var isUnderWay = false
    /// The time at which the next step is due.
    var due: Instant?
}

/// One step of scrubbing. Run it on a storage thread and give its result to `LogStore.completed`.
package struct ScrubJob: Sendable {
    let cursor: SegmentCursor

    /// Blocks.
    package func run() -> ScrubResult {
        do throws(StoreError) {
            let next = try cursor.read { _ in }
            return ScrubResult(cursor: cursor, outcome: .success(next))
        } catch {
            return ScrubResult(cursor: cursor, outcome: .failure(error))
        }
    }
}

package struct ScrubResult: Sendable {
    let cursor: SegmentCursor
    /// The position to read next; nil at the segment's end.
    let outcome: Result<SegmentCursor?, StoreError>
}

extension LogStore {
    /// Takes the next step of scrubbing; nil when it is not due, when one is under way, and when there is nothing to
    /// read.
    package func takeScrub(now: Instant) -> ScrubJob? {
        guard options.scrub > 0, failure == nil, !scrub.isUnderWay, scrub.due.map({ now >= $0 }) ?? true else {
            return nil
        }
        if scrub.due == nil { beginScrub(now) }
        if let cursor = scrub.cursor, catalog.segments[cursor.segment.number]?.isDamaged != false { scrub.cursor = nil }
        guard let cursor = scrub.cursor ?? nextToScrub() else { return nil }
        // Steps are due at the rate of `options.scrub`, however long one takes.
        let step = Double(max(options.mergeStep, 1)) / Double(options.scrub) * 1e9
        scrub.due = now + Nanoseconds(nanoseconds: UInt64(min(step, 1e12)))
        scrub.cursor = cursor
        scrub.isUnderWay = true
        return ScrubJob(cursor: cursor)
    }

    /// Begins at a segment that depends on the clock: a node that is restarted often would never get beyond the oldest
    /// ones.
    private func beginScrub(_ now: Instant) {
        guard let oldest = catalog.segments.oldest?.number, written.segment > oldest else { return }
        scrub.last = oldest + UInt32(truncatingIfNeeded: now.nanoseconds % UInt64(written.segment - oldest))
    }

    /// The beginning of the oldest segment after the last one; after the newest, of the oldest of all.
    private func nextToScrub() -> SegmentCursor? {
        var first: Segment?
        for segment in catalog.segments.all where segment.isSealed && !segment.isDamaged {
            if segment.number > scrub.last { return cursor(segment) }
            if first == nil { first = segment }
        }
        return first.flatMap(cursor)
    }

    /// Returns the failure, if the step failed.
    @discardableResult
    package func completed(_ result: ScrubResult) -> StoreError? {
        assert(scrub.isUnderWay, "a step of scrubbing comes back once")
        scrub.isUnderWay = false
        let number = result.cursor.segment.number
        switch result.outcome {
        case .success(let next):
            counts.scrubbedBytes += max(next?.offset ?? result.cursor.end, result.cursor.offset) - result.cursor.offset
            scrub.cursor = next
            if next == nil { scrub.last = number }
        case .failure(.damaged):
            (scrub.cursor, scrub.last) = (nil, number)
            if let segment = catalog.segments[number] { markDamaged(segment) }
        case .failure(let error): return fail(error)
        }
        return failure
    }
}
