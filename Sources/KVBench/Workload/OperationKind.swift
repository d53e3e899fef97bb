/// What a client of a store does, in YCSB's words.
package enum OperationKind: Int, CaseIterable, Sendable {
    case read, update, insert, scan
    /// A read and then an update of the same key, timed as one; not atomic.
    case readModifyWrite

    /// As reports name it.
    package var name: String { self == .readModifyWrite ? "read_modify_write" : "\(self)" }
}

/// One operation to be done.
struct Operation: Hashable, Sendable {
    var kind: OperationKind
    /// The key's number.
    var key: Int
    /// Keys that a scan asks for; 0 for others.
    var count = 0
}
