import KVCore

/// Writes the sidecar of a sealed segment, step by step, under a temporary name until it is complete.
///
/// A crash may lose it at any point: the next start then reads the segment itself.
struct SidecarWriter: Sendable {
    var cursor: SegmentCursor
    let fileSystem: any FileSystem
    let directory: String
    private var file: (any File)?
    private var offset: UInt64 = 0
    private var lastBatch: UInt64 = 0
    private var count: UInt64 = 0
    private var entries: [UInt8] = []

    init(_ cursor: SegmentCursor, _ fileSystem: any FileSystem, directory: String) {
        self.cursor = cursor
        self.fileSystem = fileSystem
        self.directory = directory
    }

    /// Writes a step, and returns the writer to go on with; nil when the sidecar is complete.
    func step() throws(StoreError) -> SidecarWriter? {
        var next = self
        return try next.advance() ? next : nil
    }

    private mutating func advance() throws(StoreError) -> Bool {
        if file == nil { try begin() }
        var blocks: [[UInt8]] = []
        let following = try cursor.read { batch in
            lastBatch = batch.header.number
            batch.forEach { view, place in
                SidecarEntry.append(view, at: place, to: &entries)
                count += 1
                if entries.count >= SidecarFormat.blockSize {
                    blocks.append(entries)
                    entries.removeAll(keepingCapacity: true)
                }
            }
        }
        for block in blocks { try write(SidecarFormat.block(block, cursor.segment, at: offset)) }
        guard let following else {
            try finish()
            return false
        }
        cursor = following
        return true
    }

    private var name: String { directory + "/" + FileName.sidecar(cursor.segment.number) }
    private var temporary: String { FileName.temporary(name) }

    private mutating func begin() throws(StoreError) {
        let (fileSystem, temporary) = (fileSystem, temporary)
        let created = try storing { () throws(FileError) in try fileSystem.open(temporary, .create) }
        file = created
        var header = SegmentHeader(identity: cursor.segment, firstBatch: 0, previousEnd: 0)
        header.format = SidecarFormat.format
        var bytes = [UInt8](repeating: 0, count: SegmentHeader.size)
        bytes.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { header.encode(into: base, magic: SidecarFormat.magic) }
        }
        try write(bytes)
    }

    private mutating func finish() throws(StoreError) {
        if !entries.isEmpty { try write(SidecarFormat.block(entries, cursor.segment, at: offset)) }
        let totals = SidecarTotals(end: cursor.end, lastBatch: lastBatch, entries: count)
        try write(SidecarFormat.last(totals, cursor.segment, at: offset))
        let (fileSystem, temporary, name, file) = (fileSystem, temporary, name, file)
        try storing { () throws(FileError) in
            try file?.sync()
            try fileSystem.rename(temporary, to: name)
        }
    }

    private mutating func write(_ bytes: [UInt8]) throws(StoreError) {
        guard let file else { return assertionFailure("the sidecar is created before it is written") }
        let offset = offset
        try storing { () throws(FileError) in try file.write(bytes, at: offset) }
        self.offset += UInt64(bytes.count)
    }
}
