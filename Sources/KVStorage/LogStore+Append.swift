import KVCore

// Appends to the open batch.

extension LogStore {
    /// The longest key, in bytes.
    package static let maximumKey = RecordFormat.maximumKey
    /// The longest value, in bytes.
    package static let maximumValue =
        RecordFormat.maximumLength - RecordFormat.headerSize - RecordFormat.maximumKey - Record.maximumContentType

    /// True when the format can hold the record. Otherwise the store fails, since an append cannot be refused.
    func fits(_ key: Key, _ record: Record) -> Bool {
        let value = record.value?.count ?? 0
        if key.bytes.count <= Self.maximumKey, value <= Self.maximumValue,
            record.contentType.isEmpty || record.contentType.utf8.count <= Record.maximumContentType
        {
            return true
        }
        fail(
            .tooLarge(
                "a key of \(key.bytes.count) bytes with a value of \(value) bytes and a content type of "
                    + "\(record.contentType.utf8.count) bytes"))
        return false
    }

    /// The batch to append to.
    @inline(__always)
    func openBatch() -> LogBuffer {
        if let open = writer.openWithRoom { return open }
        return beginBatch()
    }

    func append(
        _ record: Record, _ id: PartitionID, _ key: UnsafeRawBufferPointer, to buffer: LogBuffer
    ) -> (Location, RecordSize) {
        let kind = record.value == nil ? RecordKind.tombstone : .value
        let contentType = kind == .value ? record.contentType : ""
        let size: RecordSize
        if let value = record.value {
            size = value.withUnsafeBytes { value in
                let room = buffer.room(
                    RecordFormat.headerSize + key.count + contentType.utf8.count + value.count)
                return RecordFormat.encode(
                    kind, partition: id, version: record.version, expiry: record.expiry, key: key,
                    contentType: contentType, value: value, into: room)
            }
        } else {
            let room = buffer.room(RecordFormat.headerSize + key.count)
            size = RecordFormat.encode(
                kind, partition: id, version: record.version, expiry: record.expiry, key: key,
                contentType: contentType, value: UnsafeRawBufferPointer(start: nil, count: 0), into: room)
        }
        return (commit(size.length, to: buffer), size)
    }

    /// Appends a copy of a record's bytes, for merging.
    func append(_ view: RecordView, to buffer: LogBuffer) -> Location {
        if let base = view.bytes.baseAddress {
            buffer.room(view.length).copyMemory(from: base, byteCount: view.length)
        }
        counts.mergedBytes += UInt64(view.length)
        return commit(view.length, to: buffer)
    }

    func append(_ state: PartitionState, _ id: PartitionID, to buffer: LogBuffer) {
        encode(state, id, to: buffer)
        appended += 1
        buffer.lastPosition = appended
    }

    func recache(_ record: Record, _ partition: Partition, _ entry: Int) {
        if record.value == nil {
            catalog.uncache(partition.index.pointer(entry))
        } else {
            catalog.keep(record, partition, entry)
        }
    }

    private func commit(_ length: Int, to buffer: LogBuffer) -> Location {
        let location = buffer.commit(length)
        appended += 1
        buffer.lastPosition = appended
        assert(catalog.segments[location.segment] != nil, "a batch lies in a segment")
        catalog.segments[location.segment]?.total += length
        return location
    }

    private func encode(_ state: PartitionState, _ id: PartitionID, to buffer: LogBuffer) {
        let version = Version(
            ballot: state.promise, sequence: catalog.isSplit ? UInt64(catalog.slots.count) : 0)
        state.withEncoded { value in
            let room = buffer.room(RecordFormat.headerSize + value.count)
            let size = RecordFormat.encode(
                .state, partition: id, version: version, expiry: .never,
                key: UnsafeRawBufferPointer(start: nil, count: 0), contentType: "", value: value, into: room)
            _ = buffer.commit(size.length)
        }
        // Invariant 7: promises, wipes and floors are durable when they are synced, whatever the mode.
        buffer.mustSync = true
    }

    /// Begins a batch. The first batch of a segment opens with the states of all partitions, so that no earlier segment
    /// is needed to know them.
    @discardableResult
    func beginBatch() -> LogBuffer {
        let buffer = writer.begin()
        buffer.lastPosition = appended
        if buffer.beginsSegment { catalog.segments.add(Segment(number: buffer.segment.number)) }
        if writer.needsStates {
            catalog.forEachPartition { id, partition in
                if partition.state != PartitionState() { encode(partition.state, id, to: buffer) }
            }
            writer.statesAppended()
        }
        return buffer
    }
}
