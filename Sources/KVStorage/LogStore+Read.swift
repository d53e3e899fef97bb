import KVCore

// Reads: from the batches that are not written yet, from the cache, from the page cache, or by a storage thread.

/// A read that a ticket stands for.
struct PendingRead {
    var partition: PartitionID
    var key: Key
    var version: Version
    var location: Location
    var length: Int
    /// Kept open until the read is done, even if the segment is merged meanwhile.
    var file: (any File)?
    /// A client waits: it may be asked for again.
    var isUrgent: Bool
}

extension LogStore {
    /// Records longer than this are left to the storage threads even if the page cache has them: copying and checking
    /// them would hold up the event loop.
    static let longestInline = 256 << 10

    package func read(_ id: PartitionID, _ key: Key) -> StoredRead { read(id, key, KeyHash(key)) }

    package func read(_ id: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead {
        guard let partition = catalog.existing(id), let found = find(key, hash, partition) else { return .absent }
        return read(id, key, partition, found, isUrgent: true)
    }

    package func readAtOnce(_ id: PartitionID, _ key: Key) -> StoredRead? { readAtOnce(id, key, KeyHash(key)) }

    package func readAtOnce(_ id: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead? {
        guard let partition = catalog.existing(id), let found = find(key, hash, partition) else { return .absent }
        return readAtOnce(id, partition, found, isUrgent: true)
    }

    package func readLater(_ id: PartitionID, _ key: Key) -> StoredRead {
        guard let partition = catalog.existing(id), let found = find(key, KeyHash(key), partition) else {
            return .absent
        }
        return read(id, key, partition, found, isUrgent: false)
    }

    /// About how many bytes would be read for a key whose value is not in memory; nil for all others.
    package func sizeOnDisk(_ id: PartitionID, _ key: Key) -> Int? {
        guard let partition = catalog.existing(id), let found = find(key, KeyHash(key), partition) else { return nil }
        let entry = partition.index.pointer(found).pointee
        guard !entry.isTombstone, entry.cacheSlot == 0, entry.location < written else { return nil }
        return entry.length - RecordFormat.headerSize
    }

    /// The largest record that has been held since the start, its key included. Bytes.
    package var largestRecord: Int { catalog.largest }

    @inline(__always)
    private func find(_ key: Key, _ hash: KeyHash, _ partition: Partition) -> Int? {
        key.bytes.withUnsafeBytes { partition.index.find($0, hash) }
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
        // What is not read here counts when it is asked for.
        if entry.cacheSlot == 0 { catalog.cache.missed() }
        catalog.keep(record, id, partition, found)
        return .found(record)
    }

    /// The read that a ticket stands for. Nil where the store has failed, or the read is completed already.
    package func takeRead(_ ticket: ReadTicket) -> ReadJob? {
        guard failure == nil, let pending = tickets[ticket], let file = pending.file else { return nil }
        return ReadJob(
            ticket: ticket, file: file, path: path(pending.location.segment), location: pending.location,
            length: pending.length)
    }

    /// To be called once for every `takeRead`. What it throws is also in `failure`: the machine is not to be told
    /// anything then.
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
        guard let pending, let partition = catalog.existing(pending.partition),
            pending.location >= partition.state.wiped, let found = find(pending.key, KeyHash(pending.key), partition)
        else { return .gone }
        let entry = partition.index.pointer(found).pointee
        guard let record else {
            if entry.location == pending.location, case .failure(let error) = result.outcome {
                try spoil(
                    DamagedRecord(partition: pending.partition, key: pending.key, version: entry.version),
                    entry.location, error)
            }
            return .damaged
        }
        if pending.isUrgent, entry.version == pending.version {
            catalog.keep(record, pending.partition, partition, found)
        }
        return .record(record)
    }

    /// Nil where the value is not in memory, or does not check out: the storage thread will read it again and say so.
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
