import KVCore

// Reads: from batches that are not written yet, from the cache, from the page cache, or by a storage thread.

/// The read that a ticket stands for.
struct PendingRead {
    var partition: PartitionID
    var key: Key
    var version: Version
    var location: Location
    var length: Int
    /// The segment's file, kept open until the read is done even if the segment is merged meanwhile. Nil once the read
    /// has been taken: its job has the file, so that whoever runs the job closes the file of a segment that is gone.
    var file: (any File)?
    /// True when a client waits for the value: the value is cached, since it may be read again.
    var isUrgent: Bool
}

extension LogStore {
    /// The longest record, in bytes, that is read from the page cache on the event loop. Copying and checking longer
    /// ones would hold up the loop, so storage threads read them.
    static let longestInline = 256 << 10

    package func read(_ id: PartitionID, _ key: Key) -> StoredRead { read(id, key, KeyHash(key)) }

    package func read(_ id: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead {
        guard let (partition, found) = find(key, hash, id) else { return .absent }
        return read(id, key, partition, found, isUrgent: true)
    }

    package func readAtOnce(_ id: PartitionID, _ key: Key) -> StoredRead? { readAtOnce(id, key, KeyHash(key)) }

    package func readAtOnce(_ id: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead? {
        guard let (partition, found) = find(key, hash, id) else { return .absent }
        return readAtOnce(id, partition, found, isUrgent: true)
    }

    package func readLater(_ id: PartitionID, _ key: Key) -> StoredRead {
        guard let (partition, found) = find(key, KeyHash(key), id) else { return .absent }
        return read(id, key, partition, found, isUrgent: false)
    }

    /// The approximate number of bytes to read for a key whose value is not in memory; nil for all other keys.
    package func sizeOnDisk(_ id: PartitionID, _ key: Key) -> Int? {
        guard let (partition, found) = find(key, KeyHash(key), id) else { return nil }
        let entry = partition.index.pointer(found).pointee
        guard !entry.isTombstone, entry.cacheSlot == 0, entry.location < written else { return nil }
        return entry.length - RecordFormat.headerSize
    }

    /// The size of the largest record held since the start, its key included. Bytes.
    package var largestRecord: Int { catalog.largest }

    @inline(__always)
    private func find(_ key: Key, _ hash: KeyHash, _ id: PartitionID) -> (Partition, Int)? {
        key.bytes.withUnsafeBytes { key in
            guard let partition = catalog.holder(of: key, hash, in: id) else { return nil }
            return partition.find(key, hash).map { (partition, $0) }
        }
    }

    @inline(__always)
    private func read(
        _ id: PartitionID, _ key: Key, _ partition: Partition, _ found: Int, isUrgent: Bool
    ) -> StoredRead {
        if let read = readAtOnce(id, partition, found, isUrgent: isUrgent) { return read }
        let entry = partition.index.pointer(found).pointee
        if isUrgent, entry.cacheSlot == 0 { catalog.cache.missed() }
        lastTicket += 1
        let ticket = ReadTicket(lastTicket, bytes: entry.length - RecordFormat.headerSize)
        tickets[ticket] = PendingRead(
            partition: id, key: key, version: entry.version, location: entry.location, length: entry.length,
            file: catalog.segments[entry.segment]?.file, isUrgent: isUrgent)
        return .onDisk(ticket)
    }

    @inline(__always)
    private func readAtOnce(_ id: PartitionID, _ partition: Partition, _ found: Int, isUrgent: Bool) -> StoredRead? {
        let entry = partition.index.pointer(found).pointee
        if entry.isTombstone {
            return .found(Record(version: entry.version, expiry: Expiry(milliseconds: entry.expiry), value: nil))
        }
        if entry.location >= written {
            if let record = writer.pending(entry.location)?.record(at: entry.location)?.record() {
                return .found(record)
            }
        }
        if entry.cacheSlot != 0, let value = catalog.cache.value(entry.cacheSlot) {
            return .found(
                Record(
                    version: entry.version, expiry: Expiry(milliseconds: entry.expiry), value: value.value,
                    contentType: value.contentType))
        }
        guard isUrgent, let file = catalog.segments[entry.segment]?.file, let record = readInline(file, entry)
        else { return nil }
        // Count a miss for a value that was read from the page cache. `read` counts one that needs a storage thread.
        if entry.cacheSlot == 0 { catalog.cache.missed() }
        catalog.keep(record, partition, found)
        return .found(record)
    }

    /// Takes the read that a ticket stands for. Nil once the store has failed or the read has been taken.
    package func takeRead(_ ticket: ReadTicket) -> ReadJob? {
        guard failure == nil, let pending = tickets[ticket], let file = pending.file else { return nil }
        tickets[ticket]?.file = nil
        return ReadJob(
            ticket: ticket, file: file, path: path(pending.location.segment), location: pending.location,
            length: pending.length)
    }

    /// Completes a read; call it once for every `takeRead`. An error that it throws is also in `failure`, and the
    /// machine must then not be told anything.
    package func completed(_ result: ReadResult) throws(StoreError) -> LoadedRead {
        LoadedRead(ticket: result.ticket, value: try value(of: result))
    }

    private func value(of result: ReadResult) throws(StoreError) -> LoadedValue {
        let pending = tickets.removeValue(forKey: result.ticket)
        let record: Record?
        switch result.outcome {
        case .success(let loaded): record = loaded
        case .failure(.damaged): record = nil
        case .failure(let error): throw fail(error)
        }
        guard let pending,
            // It may have been split off since the ticket was given.
            let (partition, found) = find(
                pending.key, KeyHash(pending.key), catalog.owner(of: pending.partition, pending.key)),
            pending.location >= partition.state.wiped
        else { return .gone }
        let entry = partition.index.pointer(found).pointee
        guard let record else {
            if entry.location == pending.location, case .failure(let error) = result.outcome {
                try spoil(
                    DamagedRecord(partition: partition.owner, key: pending.key, version: entry.version),
                    entry.location, error)
            }
            return .damaged
        }
        if pending.isUrgent, entry.version == pending.version {
            catalog.keep(record, partition, found)
        }
        return .record(record)
    }

    /// Reads a record from the page cache. Nil when it is not there or its checksum does not match: a storage thread
    /// then reads it again and reports damage.
    private func readInline(_ file: any File, _ entry: IndexEntry) -> Record? {
        guard entry.length <= Self.longestInline else { return nil }
        if scratch.count < entry.length {
            scratch.deallocate()
            scratch = .allocate(byteCount: max(entry.length, 2 * scratch.count), alignment: 8)
        }
        let target = UnsafeMutableRawBufferPointer(rebasing: scratch[..<entry.length])
        guard file.readNoWait(into: target, at: UInt64(entry.offset)),
            let view = RecordView(UnsafeRawBufferPointer(target), at: 0, verify: true), view.length == entry.length
        else { return nil }
        return view.record()
    }
}
