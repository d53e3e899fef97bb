import KVCore

/// What a start learns from one record, be it from the log or from a sidecar. Valid as long as the bytes it was read from.
struct LogEntry {
    var kind: RecordKind
    var partition: PartitionID
    var version: Version
    var expiry: Expiry
    var key: UnsafeRawBufferPointer
    var location: Location
    /// Of the record in the log.
    var length: Int
    /// Only of a state.
    var state = PartitionState()

    init(_ view: RecordView, _ location: Location) {
        kind = view.kind
        partition = view.partition
        version = view.version
        expiry = view.expiry
        key = view.key
        length = view.length
        self.location = location
        if kind == .state { state = view.state() }
    }

    init(_ entry: SidecarEntry, segment: UInt32) {
        kind = entry.kind
        partition = entry.partition
        version = entry.version
        expiry = entry.expiry
        key = entry.key
        length = entry.length
        location = Location(segment: segment, offset: entry.offset)
        if kind == .state { state = entry.state() }
    }
}
