import KVCore

/// What a shard's store is known to have on disk. It is kept in the identity file, outside of the store's own
/// directory, so that a store that has lost a part of itself does not pass for a smaller one, or for a new one.
///
/// It is a lower bound: a segment is noted once its header is on disk and before its first batch is written, and is
/// struck out before it is unlinked. Batches are noted when a segment begins, at each start, and at a stop in good
/// order.
package struct Manifest: Hashable, Sendable {
    /// The numbers of the segments that must be there.
    private(set) var segments = RangeSet<UInt32>()
    /// This batch and all before it are on disk; 0 before the first.
    private(set) var batch: UInt64 = 0

    /// The number of the newest segment; 0 before the first.
    var newest: UInt32 { segments.ranges.last.map { $0.upperBound - 1 } ?? 0 }

    func contains(_ segment: UInt32) -> Bool { segments.contains(segment) }

    /// The first segment that should be there and is not among these.
    func firstMissing(_ found: [UInt32]) -> UInt32? {
        var missing = segments
        for number in found where number < .max { missing.remove(contentsOf: number..<number + 1) }
        return missing.ranges.first?.lowerBound
    }

    mutating func add(_ segment: UInt32) {
        guard segment < .max else { return }
        segments.insert(contentsOf: segment..<segment + 1)
    }

    mutating func remove(_ segment: UInt32) {
        guard segment < .max else { return }
        segments.remove(contentsOf: segment..<segment + 1)
    }

    mutating func synced(_ batch: UInt64) { self.batch = max(self.batch, batch) }
}

extension Manifest: CustomStringConvertible {
    /// As it is kept: the batch, then the segments as ranges, like `1042 3-5 9`.
    package var description: String {
        segments.ranges.reduce(into: "\(batch)") { text, range in
            let last = range.upperBound - 1
            text += range.lowerBound == last ? " \(last)" : " \(range.lowerBound)-\(last)"
        }
    }

    /// Nil for what `description` does not make.
    init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard let first = words.first, let batch = UInt64(first) else { return nil }
        self.batch = batch
        for word in words.dropFirst() {
            let ends = word.split(separator: "-", omittingEmptySubsequences: false).map { UInt32($0) }
            guard ends.count <= 2, let low = ends.first ?? nil, let high = ends.last ?? nil, low <= high, high < .max
            else { return nil }
            segments.insert(contentsOf: low..<high + 1)
        }
    }
}

// MARK: - Where it is kept

extension IdentityFile {
    /// Nil where none was kept: by a version that did not know them, or one that ran in between.
    /// - Throws: `damaged`
    func manifest(ofShard shard: UInt16) throws(StoreError) -> Manifest? {
        guard entry(Entry.manifestBoot) != nil else { return nil }
        guard let bytes = entry(Entry.manifest(shard)) else { return Manifest() }
        guard let manifest = Manifest(String(decoding: bytes, as: UTF8.self)) else {
            throw .damaged(file: path, offset: 0, detail: "the entry \(Entry.manifest(shard)) is unreadable")
        }
        return manifest
    }

    /// Changes what is kept of a store, durably when this returns. Blocks.
    func changeManifest(ofShard shard: UInt16, _ change: (inout Manifest) -> Void) throws(FileError) {
        try update { entries in Self.change(shard, &entries, change) }
    }

    /// Notes all that stores have on disk, durably when this returns: for when all have been opened, or have stopped.
    /// No job of theirs is under way. Blocks.
    package func note(_ stores: [LogStore]) throws(StoreError) {
        try storing { () throws(FileError) in
            try update { entries in
                for store in stores { Self.change(store.options.shard, &entries) { store.note(in: &$0) } }
                entries[Entry.manifestBoot] = Array("\(boot)".utf8)
            }
        }
    }

    private static func change(
        _ shard: UInt16, _ entries: inout [String: [UInt8]], _ change: (inout Manifest) -> Void
    ) {
        let name = Entry.manifest(shard)
        // Whether it can be read was seen when the store was opened.
        var manifest = entries[name].flatMap { Manifest(String(decoding: $0, as: UTF8.self)) } ?? Manifest()
        change(&manifest)
        if manifest != Manifest() { entries[name] = Array("\(manifest)".utf8) }
    }
}

extension LogStore {
    /// The newest membership that any partition's wipe has begun.
    package var newestMembership: Epoch {
        var newest: Epoch = 0
        catalog.forEachPartition { _, partition in newest = max(newest, partition.state.membership) }
        return newest
    }

    fileprivate func note(in manifest: inout Manifest) {
        // Those whose file is there: one that has been begun and has no batch yet is noted with its first.
        for segment in catalog.segments.all where segment.file != nil { manifest.add(segment.number) }
        manifest.synced(syncedBatch)
    }
}
