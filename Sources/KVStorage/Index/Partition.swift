import KVCore

/// One partition's part of the store, in memory.
final class Partition {
    var index = KeyIndex()
    var state = PartitionState()
    var usage = PartitionUsage()
    private var built: HashTree?

    private static let emptyTree = HashTree()

    /// An empty partition has no tree of its own: one takes 4 KiB.
    var tree: HashTree { built ?? Self.emptyTree }

    @inline(__always)
    func toggle(_ hash: KeyHash, _ version: Version) {
        if built == nil { built = HashTree() }
        built?.toggle(hash, version)
    }

    @inline(__always)
    func count(_ entry: UnsafeMutablePointer<IndexEntry>, _ sign: Int) {
        if entry.pointee.isTombstone { usage.tombstones += sign } else { usage.keys += sign }
        usage.bytes += sign * (entry.pointee.length - RecordFormat.headerSize)
    }

    /// Forgets all keys.
    func clear() {
        index = KeyIndex()
        usage = PartitionUsage()
        built = nil
    }
}
