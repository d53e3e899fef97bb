import KVCore

extension LogStore {
    /// Opens a store, or creates one when the directory is empty.
    ///
    /// Reads the newest segment, and the sidecars of the others from the newest to the oldest: an overwritten record
    /// then mostly meets its successor in the index already, and costs only a lookup. Cuts off what a crash left
    /// unfinished at the end of the newest segment. Syncs everything found before the store is returned: what a process
    /// wrote and a power loss could still take must not be served as durable.
    ///
    /// Blocks. The caller holds the lock on the data directory, and calls `IdentityFile.note` afterwards.
    /// - Parameters:
    ///   - slots: Those of the topology that the node has on disk; nil where it has none, and the store holds nothing.
    ///     Splits that the store has not carried out yet are carried out, and the states of the new partitions are the
    ///     first appends.
    ///   - identity: keeps the store's manifest, which says what must be found. Nil: nothing is expected.
    package static func open(
        _ options: StoreOptions, slots: SlotMap? = nil, fileSystem: any FileSystem = SystemFileSystem(),
        identity: IdentityFile? = nil
    ) throws(StoreError) -> LogStore {
        var recovery = Recovery(options, slots, fileSystem, identity)
        return try recovery.run()
    }
}

/// One start of a store.
struct Recovery {
    let options: StoreOptions
    let fileSystem: any FileSystem
    let identity: IdentityFile?
    let catalog: Catalog
    /// Those of the node's topology; nil where it has none.
    private let slots: SlotMap?
    /// Nil when nothing is known.
    private var manifest: Manifest?
    private var numbers: [UInt32] = []
    private var sidecars: Set<UInt32> = []

    /// The newest segment, after its end was found.
    private struct Newest {
        var segment: Segment
        var header: SegmentHeader
        var nextBatch: UInt64
        var preallocated: UInt64
    }

    init(_ options: StoreOptions, _ slots: SlotMap?, _ fileSystem: any FileSystem, _ identity: IdentityFile?) {
        self.options = options
        self.fileSystem = fileSystem
        self.identity = identity
        self.slots = slots
        catalog = Catalog(cache: options.cache, slots: slots ?? SlotMap(founding: 1))
    }

    mutating func run() throws(StoreError) -> LogStore {
        manifest = try identity?.manifest(ofShard: options.shard)
        try findFiles()
        if let missing = manifest?.firstMissing(numbers) {
            throw .incomplete(directory: options.directory, detail: "\(FileName.segment(missing)) is gone")
        }
        let late = try carryOutSplits()
        let newest = try readNewest()
        if var header = newest?.header {
            for number in numbers.dropLast().reversed() { header = try readSealed(number, header) }
        }
        try checkSplits()
        // Invariant 12: tombstones up to a floor that was found are gone.
        catalog.forEachPartition { _, partition in
            catalog.beginPurge(partition)
            catalog.finishPurge(partition)
        }
        let tail = Location(
            segment: newest?.segment.number ?? 0, offset: UInt32(truncatingIfNeeded: newest?.segment.end ?? 0))
        let nextBatch = newest?.nextBatch ?? 1
        let writer = LogWriter(
            options, tail: tail, isEmpty: nextBatch == newest?.header.firstBatch, nextBatch: nextBatch)
        let (fileSystem, directory) = (fileSystem, options.directory)
        let space = try storing { () throws(FileError) in try fileSystem.space(directory) }
        let store = LogStore(
            options, fileSystem, identity, catalog, writer, written: tail, preallocated: newest?.preallocated ?? 0,
            space: space, knowsSlots: slots != nil)
        store.appendStates(of: late, newestFormat: newest?.header.format)
        return store
    }

    // MARK: Splits

    /// Carries out the splits of the topology that the store has not carried out: a crash came in between.
    ///
    /// A record on disk names the partition that it was written to, which may have been split since. So where there
    /// have been splits, the states of all partitions must be known before the first record is looked at. The newest
    /// segment that has a batch begins with all of them. Where nothing has been split, nothing is read here.
    /// - Returns: the new partitions that have got a state.
    private func carryOutSplits() throws(StoreError) -> [PartitionID] {
        guard let slots, catalog.isSplit else { return [] }
        try readStates()
        try checkSplits()
        // 0 is the number that the cluster was created with. Splits of which no state tells have found no state to give
        // to the new partition. It is the same if they are carried out again: since then no state has been appended.
        let before = SlotMap(founding: slots.founding, count: max(catalog.splitCount, slots.founding))
        return (before?.splits(to: slots.count) ?? []).filter { split in
            guard let parent = catalog.existing(split.parent), parent.hasState else { return false }
            let child = catalog.partition(split.child)
            guard !child.hasState else { return false }
            child.state = parent.state
            return true
        }.map(\.child)
    }

    /// Checks that the topology is not older than the store: it is on disk before a store carries out its splits.
    private func checkSplits() throws(StoreError) {
        let known = slots.map { $0.count == $0.founding ? 0 : $0.count } ?? 0
        guard catalog.splitCount > known else { return }
        throw .outdated(
            file: identity?.path ?? Self.parent(of: options.directory),
            detail:
                "\(options.directory) has been split into \(catalog.splitCount) partitions, and the topology here has "
                + (slots.map { "\($0.count)" } ?? "none yet"))
    }

    /// Reads the states of the newest segment that has a batch. What is wrong with a segment is found out later.
    private func readStates() throws(StoreError) {
        for number in numbers.reversed() {
            let file = try open(number, .read)
            let size = try storing { () throws(FileError) in try file.size() }
            guard let header = try header(number, file) else { continue }
            var reader = BatchReader(
                file, segmentIdentity(number), from: UInt64(SegmentHeader.size), to: size, expected: header.firstBatch)
            do throws(FileError) {
                while case .batch(let batch) = try reader.next() {
                    batch.forEach { view, _ in
                        guard view.kind == .state else { return }
                        let state = PartitionState(promise: view.version.ballot, value: view.value)
                        catalog.recover(state, view.splitCount, of: view.partition)
                    }
                }
            } catch {
                throw .io(error)
            }
            if reader.expected > header.firstBatch { return }
        }
    }

    // MARK: Files

    private mutating func findFiles() throws(StoreError) {
        do {
            try fileSystem.createDirectory(options.directory)
            try fileSystem.syncDirectory(Self.parent(of: options.directory))
            let names = try fileSystem.list(options.directory).sorted()
            numbers = names.compactMap { FileName.number($0, ".log") }.filter { $0 > 0 && $0 < .max }
            sidecars = Set(names.compactMap { FileName.number($0, ".index") })
            for name in names where name.hasSuffix(".tmp") { try fileSystem.unlink(path(name)) }
            for orphan in sidecars.subtracting(numbers).sorted() {
                try fileSystem.unlink(path(FileName.sidecar(orphan)))
            }
        } catch {
            throw .io(error)
        }
    }

    static func parent(of directory: String) -> String {
        guard let slash = directory.lastIndex(of: "/") else { return "." }
        return slash == directory.startIndex ? "/" : String(directory[..<slash])
    }

    private func path(_ name: String) -> String { options.directory + "/" + name }

    private func open(_ number: UInt32, _ mode: OpenMode) throws(StoreError) -> any File {
        let (fileSystem, path) = (fileSystem, path(FileName.segment(number)))
        return try storing { () throws(FileError) in try fileSystem.open(path, mode) }
    }

    private func segmentIdentity(_ number: UInt32) -> SegmentIdentity {
        SegmentIdentity(store: options.store, shard: options.shard, number: number)
    }

    /// The segment's header; nil when it is damaged. Throws when it is another segment's or format's.
    private func header(_ number: UInt32, _ file: any File) throws(StoreError) -> SegmentHeader? {
        let window = ReadWindow(file: file, size: 4096)
        let bytes = try storing { () throws(FileError) in try window.bytes(0, SegmentHeader.size) }
        guard let header = SegmentHeader(bytes) else { return nil }
        let name = path(FileName.segment(number))
        guard header.format <= SegmentHeader.splitFormat else {
            throw .newerFormat(file: name, found: header.format, supported: SegmentHeader.splitFormat)
        }
        guard header.format >= SegmentHeader.firstFormat else {
            throw .olderFormat(file: name, found: header.format, supported: SegmentHeader.firstFormat)
        }
        guard header.identity == segmentIdentity(number) else {
            let found = header.identity
            throw .foreign(
                file: name,
                detail: "it is segment \(found.number) of shard \(found.shard) of store \(found.store), not segment "
                    + "\(number) of shard \(options.shard) of store \(options.store)")
        }
        return header
    }

    // MARK: The newest segment

    private mutating func readNewest() throws(StoreError) -> Newest? {
        while let number = numbers.last {
            let file = try open(number, .readWrite)
            let size = try storing { () throws(FileError) in try file.size() }
            if let header = try header(number, file) { return try readNewest(number, file, size, header) }
            let check = TailCheck(file: file, segment: segmentIdentity(number), size: size)
            let name = path(FileName.segment(number))
            let hasBatches = try storing { () throws(FileError) in try check.hasBatches() }
            if hasBatches || manifest?.contains(number) ?? false {
                throw .damaged(file: name, offset: 0, detail: "the segment's header is not what was written")
            }
            // The crash came while the segment was being created: it never held anything.
            let (fileSystem, directory) = (fileSystem, options.directory)
            try storing { () throws(FileError) in
                try fileSystem.unlink(name)
                try fileSystem.syncDirectory(directory)
            }
            numbers.removeLast()
        }
        return nil
    }

    private func readNewest(
        _ number: UInt32, _ file: any File, _ size: UInt64, _ header: SegmentHeader
    ) throws(StoreError) -> Newest {
        let segment = Segment(number: number)
        segment.file = file
        catalog.segments.add(segment)
        var reader = BatchReader(
            file, segmentIdentity(number), from: UInt64(SegmentHeader.size), to: size, expected: header.firstBatch)
        var newest = Newest(segment: segment, header: header, nextBatch: 0, preallocated: size)
        let detail: String?
        var verdict = TailCheck.Verdict.clean
        do throws(FileError) {
            detail = try readBatches(&reader, into: segment)
            if detail != nil {
                let check = TailCheck(file: file, segment: segmentIdentity(number), size: size)
                verdict = try check.verdict(reader.offset, expected: reader.expected)
            }
            // A crash cannot take back what is known to have been on disk.
            if let manifest, reader.expected <= manifest.batch { verdict = .damaged }
            if verdict == .torn {
                try file.truncate(to: reader.offset)
                newest.preallocated = reader.offset
            }
            if verdict != .damaged {
                try file.sync()
                try fileSystem.syncDirectory(options.directory)
            }
        } catch {
            throw .io(error)
        }
        if verdict == .damaged {
            throw damaged(number, reader.offset, detail ?? "batch \(reader.expected) was written there and is gone")
        }
        try checkIdentity(number, isEmpty: reader.expected == header.firstBatch)
        segment.end = reader.offset
        newest.nextBatch = reader.expected
        return newest
    }

    /// Checks that the identity file is not behind the log: a segment is noted in it before its first batch is written.
    private func checkIdentity(_ number: UInt32, isEmpty: Bool) throws(StoreError) {
        guard let identity, let manifest, number > manifest.newest, !isEmpty || number > manifest.newest + 1
        else { return }
        throw .outdated(
            file: identity.path,
            detail: "it knows nothing of \(path(FileName.segment(number))), which was written after it")
    }

    /// Reads all batches and returns why it stopped; nil if it reached the end.
    private func readBatches(_ reader: inout BatchReader, into segment: Segment) throws(FileError) -> String? {
        var group = EntryGroup()
        defer { recover(&group, into: segment) }
        while true {
            switch try reader.next() {
            case .batch(let batch):
                batch.forEach { group.add($0, of: owner(of: $0), at: $1) }
                if group.isFull { recover(&group, into: segment) }
            case .end: return nil
            case .stop(let detail): return detail
            }
        }
    }

    private func recover(_ group: inout EntryGroup, into segment: Segment) {
        group.drain { catalog.recover($0, of: $1, segment) }
    }

    /// The partition that has a record, or whose state it is.
    private func owner(of view: RecordView) -> PartitionID {
        view.kind == .state ? view.partition : catalog.owner(of: view.partition, view.key)
    }

    private func damaged(_ number: UInt32, _ offset: UInt64, _ detail: String?) -> StoreError {
        .damaged(file: path(FileName.segment(number)), offset: offset, detail: detail ?? "not what was written")
    }

    // MARK: Sealed segments

    /// - Parameter following: the header of the next segment that exists.
    private func readSealed(_ number: UInt32, _ following: SegmentHeader) throws(StoreError) -> SegmentHeader {
        let file = try open(number, .readWrite)
        let size = try storing { () throws(FileError) in try file.size() }
        guard let header = try header(number, file) else {
            throw damaged(number, 0, "the segment's header is not what was written")
        }
        let segment = Segment(number: number)
        segment.file = file
        segment.isSealed = true
        catalog.segments.add(segment)
        let isNeighbour = following.identity.number == number + 1
        if let totals = try readSidecar(number, segment), !isNeighbour || totals.end == following.previousEnd,
            totals.end <= size
        {
            segment.hasSidecar = true
            segment.end = totals.end
            return header
        }
        segment.total = 0
        try readWhole(segment, file, header, end: isNeighbour ? following.previousEnd : size)
        return header
    }

    /// Reads the sidecar; nil when there is none or it is damaged.
    private func readSidecar(_ number: UInt32, _ segment: Segment) throws(StoreError) -> SidecarTotals? {
        guard sidecars.contains(number) else { return nil }
        let (fileSystem, path) = (fileSystem, path(FileName.sidecar(number)))
        do throws(FileError) {
            let reader = SidecarReader(file: try fileSystem.open(path, .read), segment: segmentIdentity(number))
            var group = EntryGroup()
            let totals = try reader.read { entry in
                let isState = entry.kind == .state
                group.add(entry, of: isState ? entry.partition : catalog.owner(of: entry.partition, entry.key))
                if group.isFull { recover(&group, into: segment) }
            }
            recover(&group, into: segment)
            // A new one will be written under a temporary name and then renamed to this one.
            if totals == nil { try fileSystem.unlink(path) }
            return totals
        } catch {
            throw .io(error)
        }
    }

    private func readWhole(
        _ segment: Segment, _ file: any File, _ header: SegmentHeader, end: UInt64
    ) throws(StoreError) {
        var reader = BatchReader(
            file, segmentIdentity(segment.number), from: UInt64(SegmentHeader.size), to: end,
            expected: header.firstBatch)
        let stop: String?
        do throws(FileError) { stop = try readBatches(&reader, into: segment) } catch { throw .io(error) }
        if stop != nil || reader.offset != end { throw damaged(segment.number, reader.offset, stop) }
        segment.end = end
    }
}
