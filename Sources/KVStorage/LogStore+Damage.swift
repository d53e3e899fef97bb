import KVCore

// What the disk has spoiled.
//
// The index knows of every record its key, its version and where it lies, so one that cannot be read is not lost as
// long as another replica has the same version: `damagedRecords` names it, and `restore` writes it again. The segment
// that it lay in is not trusted any more. What can still be read of it is moved elsewhere, one record at a time, and
// when nothing refers to it, it is removed.

extension LogStore {
    /// The records that cannot be read, in no order; at most `StoreOptions.maximumDamage`. One that has been written
    /// again, overwritten or deleted since is no longer among them.
    package func damagedRecords() -> [DamagedRecord] {
        guard !spoiled.isEmpty else { return [] }
        let known = spoiled.count
        spoiled = spoiled.filter { location, damaged in entry(of: damaged)?.pointee.location == location }
        // Nothing may refer to where the others lay any more.
        if spoiled.count < known { nextMaintenanceCheck = 0 }
        return Array(spoiled.values)
    }

    /// Records that were found to be spoiled since the store was opened, and those of them that were written again.
    package var damageCounts: (found: Int, repaired: Int) { (counts.damagedRecords, counts.repairedRecords) }

    package func restore(_ id: PartitionID, _ key: Key, _ record: Record) -> Bool {
        guard failure == nil, acceptsCopies, let value = record.value, value.count <= Self.maximumValue,
            record.contentType.utf8.count <= Record.maximumContentType, let partition = catalog.existing(id)
        else { return false }
        return key.bytes.withUnsafeBytes { key in
            let hash = KeyHash(key)
            guard let found = partition.index.find(key, hash) else { return false }
            let entry = partition.index.pointer(found).pointee
            guard entry.version == record.version, !entry.isTombstone, let buffer = openBatch() else { return false }
            let (location, size) = append(record, id, key, to: buffer)
            _ = catalog.hold(
                partition, found, key, hash, record.version, record.expiry, location, size,
                isTombstone: false)
            if spoiled.removeValue(forKey: entry.location) != nil { counts.repairedRecords += 1 }
            // Nothing may refer to where it lay any more.
            nextMaintenanceCheck = 0
            return true
        }
    }

    /// Notes a record that cannot be read.
    /// - Throws: the failure of the store, where too many cannot.
    func spoil(_ damaged: DamagedRecord, _ location: Location, _ error: StoreError) throws(StoreError) {
        if let segment = catalog.segments[location.segment] { hedgeTime(segment) }
        guard spoiled.updateValue(damaged, forKey: location) == nil else { return }
        counts.damagedRecords += 1
        lastDamage = error
        guard spoiled.count <= options.maximumDamage || damagedRecords().count <= options.maximumDamage else {
            throw fail(error)
        }
    }

    /// Some bytes of a segment are not what was written. Nothing more goes to it, and its records go elsewhere.
    func hedgeTime(_ segment: Segment) {
        guard !segment.isDamaged else { return }
        segment.isDamaged = true
        if !segment.isSealed { writer.endSegment() }
        roomMade()
    }

    private func entry(of damaged: DamagedRecord) -> UnsafeMutablePointer<IndexEntry>? {
        guard let partition = catalog.existing(damaged.partition) else { return nil }
        let found = damaged.key.bytes.withUnsafeBytes { partition.index.find($0, KeyHash($0)) }
        return found.map { partition.index.pointer($0) }
    }
}

// MARK: - Emptying a segment

/// How far the index has been searched for records of a segment that is not trusted any more.
struct Emptying: Sendable {
    let segment: UInt32
    /// The next entry to look at.
    var partition = 0
    var entry = 0

    /// Entries of the index that one step looks at, and records that it moves.
    static let maximumSearched = 16 << 10
    static let maximumMoved = 256
}

/// Reads records of a segment one by one, each by what the index knows of it.
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

    /// The bytes of each; nothing of a tombstone, whose index entry says all, and nil where they are not what was
    /// written.
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
    /// The next records of the segment that are to be moved, at most `mergeStep` bytes or one record; and how far that
    /// goes. Nil for the second at the end of the index.
    func nextToMove(_ emptying: Emptying) -> ([RecordsJob.Item], Emptying?) {
        var (next, searched, bytes) = (emptying, 0, 0)
        var items: [RecordsJob.Item] = []
        while next.partition < catalog.partitionLimit {
            let id = PartitionID(UInt16(truncatingIfNeeded: next.partition))
            if let partition = catalog.existing(id) {
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
                            record: DamagedRecord(partition: id, key: key, version: entry.version),
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

    /// Appends again what could be read, and notes what could not.
    func move(_ items: [RecordsJob.Item], _ found: [[UInt8]?]) throws(StoreError) {
        for (item, bytes) in zip(items, found) {
            guard let pointer = entry(of: item.record), pointer.pointee.location == item.location else { continue }
            guard let bytes else {
                let error = StoreError.damaged(
                    file: path(item.location.segment), offset: UInt64(item.location.offset),
                    detail: "a record's checksum does not match")
                try spoil(item.record, item.location, error)
                continue
            }
            guard let buffer = openBatch() else { return }
            let target: Location
            if item.isTombstone {
                let record = Record(version: item.record.version, expiry: item.expiry, value: nil)
                target = item.record.key.bytes.withUnsafeBytes {
                    append(record, item.record.partition, $0, to: buffer).0
                }
                counts.mergedBytes += UInt64(item.length)
            } else {
                let copied = bytes.withUnsafeBytes { bytes in
                    RecordView(bytes, at: 0, verify: false).map { append($0, to: buffer) }
                }
                guard let copied else { continue }
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

/// Reads sealed segments again, slowly and one after another, so that what the disk has spoiled is found while other
/// replicas still have it.
struct Scrub {
    /// Where in which segment it goes on; nil before it has begun with the next one.
    var cursor: SegmentCursor?
    /// The segment that it has done last.
    var last: UInt32 = 0
    var isUnderWay = false
    /// When the next step is due.
    var due: Instant?
}

/// One step of it. To be run on a storage thread; its result goes to `LogStore.completed`.
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
    /// Where it goes on; nil at the segment's end.
    let outcome: Result<SegmentCursor?, StoreError>
}

extension LogStore {
    /// The next step of scrubbing; nil where it is not due, or one is under way, or there is nothing to read.
    package func takeScrub(now: Instant) -> ScrubJob? {
        guard options.scrub > 0, failure == nil, !scrub.isUnderWay, scrub.due.map({ now >= $0 }) ?? true else {
            return nil
        }
        if scrub.due == nil { beginScrub(now) }
        if let cursor = scrub.cursor, catalog.segments[cursor.segment.number]?.isDamaged != false { scrub.cursor = nil }
        guard let cursor = scrub.cursor ?? nextToScrub() else { return nil }
        // Of the rate, whatever a step came to take.
        let step = Double(max(options.mergeStep, 1)) / Double(options.scrub) * 1e9
        scrub.due = now + Nanoseconds(nanoseconds: UInt64(min(step, 1e12)))
        scrub.cursor = cursor
        scrub.isUnderWay = true
        return ScrubJob(cursor: cursor)
    }

    /// Not always with the oldest segment: a node that is restarted often would never come to the others.
    private func beginScrub(_ now: Instant) {
        guard let oldest = catalog.segments.oldest?.number, written.segment > oldest else { return }
        scrub.last = oldest + UInt32(truncatingIfNeeded: now.nanoseconds % UInt64(written.segment - oldest))
    }

    /// Of the oldest segment after the last one; then from the beginning.
    private func nextToScrub() -> SegmentCursor? {
        var first: Segment?
        for segment in catalog.segments.all where segment.isSealed && !segment.isDamaged {
            if segment.number > scrub.last { return cursor(segment) }
            if first == nil { first = segment }
        }
        return first.flatMap(cursor)
    }

    /// Returns the failure, if it was one.
    @discardableResult
    package func completed(_ result: ScrubResult) -> StoreError? {
        scrub.isUnderWay = false
        let number = result.cursor.segment.number
        switch result.outcome {
        case .success(let next):
            counts.scrubbedBytes += max(next?.offset ?? result.cursor.end, result.cursor.offset) - result.cursor.offset
            scrub.cursor = next
            if next == nil { scrub.last = number }
        case .failure(.damaged):
            (scrub.cursor, scrub.last) = (nil, number)
            if let segment = catalog.segments[number] { hedgeTime(segment) }
        case .failure(let error): return fail(error)
        }
        return failure
    }
}
