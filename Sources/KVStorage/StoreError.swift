/// Why a store cannot be opened, or had to stop. `description` says what happened, to what, and what to do next.
package enum StoreError: Error, Hashable, Sendable {
    /// A system call failed. It is never retried: after a failed write or sync, what the disk holds is unknown.
    case io(FileError)
    /// Bytes that had been synced are not what was written.
    case damaged(file: String, offset: UInt64, detail: String)
    /// The store holds less than it had written when it last ran.
    case incomplete(directory: String, detail: String)
    /// The identity file is older than the log beside it.
    case outdated(file: String, detail: String)
    /// The file belongs to something else: another node, cluster, store or shard.
    case foreign(file: String, detail: String)
    case newerFormat(file: String, found: UInt32, supported: UInt32)
    case olderFormat(file: String, found: UInt32, supported: UInt32)
    case locked(directory: String)
    case notWritable(directory: String, FileError)
    /// The record is beyond the format's limits.
    case tooLarge(String)
}

extension StoreError: CustomStringConvertible {
    /// The way to bring back a node whose own data cannot be used.
    private static let remedy =
        "Move this node's data directory away, start the node with --seed, and let it be rebuilt from its peers with "
        + "'kv join NODE --replace NODE'. (An older copy of the directory will not do: it has forgotten what this node "
        + "promised, and the others refuse it.)"

    package var description: String {
        switch self {
        case .io(let error) where error.isOutOfSpace, .notWritable(_, let error) where error.isOutOfSpace:
            "\(error): the disk is full, and this node has stopped. What it had acknowledged is on the disk. Make room "
                + "there, then start the node again."
        case .io(let error):
            "\(error). This node has stopped and serves nothing from that disk. Check the disk and the system log, "
                + "then start the node again; if the disk is lost, rebuild the node from its peers with an empty "
                + "data directory."
        case .damaged(let file, let offset, let detail):
            "\(file) is damaged at byte \(offset): \(detail). Its data had been written before, so starting without "
                + "it could lose or bring back changes. \(Self.remedy)"
        case .incomplete(let directory, let detail):
            "\(directory) holds less than when this node last ran: \(detail). It has forgotten what it promised and "
                + "acknowledged, so it must not take part again. \(Self.remedy)"
        case .outdated(let file, let detail):
            "\(file) is an older copy than the data beside it: \(detail). This node would go by a cluster as it was. "
                + "Put the newer file back if it is still there. \(Self.remedy)"
        case .foreign(let file, let detail):
            "\(file): \(detail). Use the data directory that belongs to this node, or an empty one."
        case .newerFormat(let file, let found, let supported):
            "\(file) has format \(found), written by a newer kv; this one knows formats up to \(supported). "
                + "Install that version or a later one."
        case .olderFormat(let file, let found, let supported):
            "\(file) has format \(found), written by an older kv; this one knows format \(supported) only. Run the "
                + "version that wrote it. Or else: \(Self.remedy)"
        case .locked(let directory):
            "\(directory) is in use by another process. Stop that one first, or give this node a data directory "
                + "of its own."
        case .notWritable(let directory, let error):
            "cannot use the data directory \(directory): \(error). Create it, and give this user the right to write "
                + "to it."
        case .tooLarge(let what):
            "\(what). The store cannot hold it; lower the limits of keys and values in the configuration."
        }
    }
}

extension StoreError {
    /// The error for a failed read of a segment. A sector that the disk cannot read any more (EIO) is damage: it
    /// concerns the records that lie there, and nothing else.
    static func reading(_ error: FileError, _ file: String, _ offset: UInt64) -> Self {
        error.isUnreadable ? .damaged(file: file, offset: offset, detail: "\(error)") : .io(error)
    }
}

/// Runs a file operation and turns its error into a `StoreError`.
func storing<Result>(_ body: () throws(FileError) -> Result) throws(StoreError) -> Result {
    do { return try body() } catch { throw .io(error) }
}
