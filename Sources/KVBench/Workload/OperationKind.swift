/// The kinds of operations, in YCSB's words.
package enum OperationKind: Int, CaseIterable, Sendable {
    case read, update, insert, scan
    /// A read and then an update of the same key, measured as one. It is not atomic.
    case readModifyWrite

    /// The name in reports.
    package var name: String { self == .readModifyWrite ? "read_modify_write" : "\(self)" }
}

/// An operation of the workload, or of loading.
struct Operation: Hashable, Sendable {
    var kind: OperationKind
    /// The number of the key.
    var key: Int
    /// The number of keys that a scan asks for; 0 for other kinds.
    var count = 0
}
