import KVCore

/// The segments and batches that a shard's store is known to have on disk. They are kept in the identity file, outside
/// the store's own directory, so that a store that has lost a part of itself does not pass for a smaller or a new one.
///
/// It is a lower bound. A segment is added once its header is on disk and before its first batch is written, and is
/// removed before its file is unlinked. Batches are noted when a segment begins, at each start, and at an orderly stop.
package struct Manifest: Hashable, Sendable {
    /// The numbers of the segments that must be there.
    private(set) var segments = RangeSet<UInt32>()
    /// This batch and all before it are on disk; 0 before the first.
    private(set) var batch: UInt64 = 0

    /// The number of the newest segment; 0 before the first.
    var newest: UInt32 { segments.ranges.last.map { $0.upperBound - 1 } ?? 0 }

    func contains(_ segment: UInt32) -> Bool { segments.contains(segment) }

    /// The first segment that should exist and is not in `found`.
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
    /// The encoding in the identity file: the batch, then the segments as ranges, like `1042 3-5 9`.
    package var description: String {
        segments.ranges.reduce(into: "\(batch)") { text, range in
            let last = range.upperBound - 1
            text += range.lowerBound == last ? " \(last)" : " \(range.lowerBound)-\(last)"
        }
    }

    /// Nil for text that `description` does not produce.
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
    /// The manifest of a shard; nil when none was kept: a version that does not keep them wrote the directory, or ran
    /// in between.
    /// - Throws: `damaged`
    func manifest(ofShard shard: UInt16) throws(StoreError) -> Manifest? {
        guard entry(Entry.manifestBoot) != nil else { return nil }
        guard let bytes = entry(Entry.manifest(shard)) else { return Manifest() }
        guard let manifest = Manifest(String(decoding: bytes, as: UTF8.self)) else {
            throw .damaged(file: path, offset: 0, detail: "the entry \(Entry.manifest(shard)) is unreadable")
        }
        return manifest
    }

    /// Changes the manifest of a shard; durable when this returns. Blocks.
    func changeManifest(ofShard shard: UInt16, _ change: (inout Manifest) -> Void) throws(FileError) {
        try update { entries in Self.change(shard, &entries, change) }
    }

    /// Notes everything that the stores have on disk; durable when this returns. Called when all stores have been
    /// opened, or have stopped; none of their jobs is under way. Blocks.
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
        // `manifest(ofShard:)` has checked that it can be read when the store was opened.
        var manifest = entries[name].flatMap { Manifest(String(decoding: $0, as: UTF8.self)) } ?? Manifest()
        change(&manifest)
        if manifest != Manifest() { entries[name] = Array("\(manifest)".utf8) }
    }
}

extension LogStore {
    /// The highest epoch of membership that a wipe of any partition has begun.
    package var newestMembership: Epoch {
        var newest: Epoch = 0
        catalog.forEachPartition { _, partition in newest = max(newest, partition.state.membership) }
        return newest
    }

    fileprivate func note(in manifest: inout Manifest) {
        // Only segments with a file: a segment that has begun and has no batch yet is noted with its first.
        for segment in catalog.segments.all where segment.file != nil { manifest.add(segment.number) }
        manifest.synced(syncedBatch)
    }
}
