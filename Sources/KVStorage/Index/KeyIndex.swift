import CLinux
import Glibc
import KVCore

/// The keys of one partition: an open-addressing hash table of 32-bit slots over entries in chunks.
///
///     slots     [ .  e7|f  .  e2|f  e9|f  . ]      entry number from 1, and as much fingerprint as fits beside it
///     entries   [ 48 bytes ] x 64 a chunk          version, expiry, location, the key's address
///     checksums [ 4 bytes ] x 64 before them       content checksum of that version, in reverse order
///     leaves    [ 1 byte ] an entry                the leaf of the hash tree that the key belongs to
///     keys      arena
///
/// The table has 2^k slots, at most three quarters of them used. So entry numbers take at most k bits, and 32 - k
/// remain for bits of the key's hash: a probe looks at an entry only when these agree. Entries are in chunks because
/// one growing array would be copied, and would leave half of its memory unused on average. Leaves are stored apart
/// from the entries, so that finding the entries of one leaf looks at one byte of each. The index takes 59 to 66 bytes
/// a key beyond the key's own bytes, once a partition has a few hundred keys. (`ExpiryCalendar` takes 8 more for a key
/// that expires.) The first chunk begins small and doubles, so that a partition with few keys takes little.
///
/// A table that is nearly full is filled into one of twice the size by the keys that are added meanwhile, some of its
/// entries each, so that no key waits until all others have been moved.
///
/// When most entries are free, `shrink` gives memory back, in steps: see KeyIndex+Shrink.swift.
struct KeyIndex: ~Copyable {
    /// A chunk's first entry. Its checksums lie before it, the first one next to it, so that neither moves relative to
    /// it when a chunk is larger.
    typealias Chunk = UnsafeMutableRawPointer

    static let chunkSize = 64
    static let chunkBytes = chunkSize * (MemoryLayout<IndexEntry>.stride + MemoryLayout<UInt32>.stride)
    static let smallestChunk = 4
    static let smallestTable = 16

    /// Other than those of all indexes before.
    let number: UInt32
    private(set) var slots: UnsafeMutablePointer<UInt32>?
    /// log2 of the number of slots.
    private(set) var bits = 0
    var chunks: [Chunk] = []
    /// The number of entries that the chunks have room for.
    var room = 0
    var leaves: [UInt8] = []
    /// The number of entries ever handed out, free ones included.
    var extent = 0
    /// Free entries below `extent`. While entries are being moved together it is empty, since they are found by
    /// looking.
    var free: [UInt32] = []
    var arena: KeyArena
    private let pool: SlabPool
    /// What `shrink` is at.
    var shrinking = Shrinking.nothing
    /// The number of entries in use.
    private(set) var count = 0

    init(_ memory: IndexMemory) {
        number = memory.numberIndex()
        pool = memory.chunks
        arena = KeyArena(memory.blocks)
    }

    deinit {
        if let slots { SlotTable.free(slots) }
        for (number, chunk) in chunks.enumerated() { free(chunk, of: number == 0 ? firstRoom : Self.chunkSize) }
        if let table = shrinking.table { SlotTable.free(table.slots) }
    }

    /// The number of a key's entry, from 0; nil where the key has none.
    func find(_ key: UnsafeRawBufferPointer, _ hash: KeyHash) -> Int? { probe(hash) { matches($0, key) } }

    /// The number of the entry whose record lies there, of a key with this hash. No two records lie at one place, so
    /// keys need not be compared, which would wait for memory.
    func find(at location: Location, _ hash: KeyHash) -> Int? {
        probe(hash) { pointer($0).pointee.location == location }
    }

    /// The first entry in probing order that has the hash's fingerprint and that `accepts` accepts.
    @inline(__always)
    private func probe(_ hash: KeyHash, _ accepts: (Int) -> Bool) -> Int? {
        guard let slots else { return nil }
        let mask = 1 << bits - 1
        let numbers = UInt32(truncatingIfNeeded: mask)
        let fingerprint = UInt32(truncatingIfNeeded: hash.high) & ~numbers
        var place = SlotTable.home(hash, mask)
        while true {
            let slot = slots[place]
            if slot == 0 { return nil }
            if slot & ~numbers == fingerprint {
                let entry = Int(slot & numbers) - 1
                if accepts(entry) { return entry }
            }
            place = (place + 1) & mask
        }
    }

    // Lookups in steps, each of which prefetches the memory that the next one needs: the lookups of many keys then wait
    // for memory together rather than one after another.

    @inline(__always)
    func prefetchSlot(_ hash: KeyHash) {
        if let slots { kv_prefetch(slots + SlotTable.home(hash, 1 << bits - 1)) }
    }

    /// The entry of the key, or of another key with the same fingerprint.
    @inline(__always)
    func prefetchEntry(_ hash: KeyHash) -> UnsafeMutablePointer<IndexEntry>? {
        guard let number = probe(hash, { _ in true }) else { return nil }
        let entry = pointer(number)
        kv_prefetch(entry)
        kv_prefetch(UnsafeRawPointer(entry) + MemoryLayout<IndexEntry>.size - 1)
        return entry
    }

    @inline(__always)
    func prefetchKey(_ entry: UnsafeMutablePointer<IndexEntry>) {
        kv_prefetch(arena.key(entry.pointee.address, Int(entry.pointee.keyLength)).baseAddress)
    }

    /// Adds a key that is not in the index; the caller sets its entry's fields.
    mutating func insert(_ key: UnsafeRawBufferPointer, _ hash: KeyHash) -> Int {
        assert(find(key, hash) == nil, "a key has one entry")
        makeRoomInTables()
        let entry: Int
        let leaf = UInt8(truncatingIfNeeded: HashTree.leaf(of: hash))
        if let last = free.popLast() {
            entry = Int(last)
            leaves[entry] = leaf
        } else {
            entry = extent
            if entry == room { addRoom() }
            extent += 1
            leaves.append(leaf)
        }
        pointer(entry).initialize(
            to: IndexEntry(
                keyLength: UInt16(truncatingIfNeeded: key.count), address: arena.add(key)))
        place(entry, hash)
        if let table = shrinking.table, entry < table.placed { table.place(entry, hash) }
        count += 1
        assert(shrinking.movesEntries || count + free.count == extent, "an entry is in use or free")
        assert(leaves.count == extent, "an entry has a leaf")
        return entry
    }

    mutating func remove(_ entry: Int) {
        guard let slots else { return assertionFailure("an entry has a slot") }
        assert(isUsed(entry), "an entry is removed once")
        let hash = hash(entry)
        remove(entry, hash, from: SlotTable(slots: slots, bits: bits))
        if let table = shrinking.table, entry < table.placed { remove(entry, hash, from: table) }
        let held = pointer(entry).pointee
        arena.drop(held.address, Int(held.keyLength))
        pointer(entry).pointee.free()
        if case .entries(let hole) = shrinking {
            shrinking = .entries(hole: min(hole, entry))
        } else {
            free.append(UInt32(truncatingIfNeeded: entry))
        }
        count -= 1
    }

    private func remove(_ entry: Int, _ hash: KeyHash, from table: SlotTable) {
        let (slots, mask) = (table.slots, table.mask)
        var hole = table.slot(of: entry, hash)
        let numbers = UInt32(truncatingIfNeeded: mask)
        // Move back the slots that follow, so that no probe ends early (Knuth's algorithm R).
        var next = hole
        while true {
            next = (next + 1) & mask
            let slot = slots[next]
            if slot == 0 { break }
            let home = SlotTable.home(self.hash(Int(slot & numbers) - 1), mask)
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slot
                hole = next
            }
        }
        slots[hole] = 0
    }

    /// The entries that the first chunk has room for.
    private var firstRoom: Int { min(room, Self.chunkSize) }

    private mutating func addRoom() {
        if room == 0 || room >= Self.chunkSize {
            let size = room == 0 ? Self.smallestChunk : Self.chunkSize
            chunks.append(newChunk(size))
            room += size
        } else {
            resizeFirst(to: room * 2)
        }
    }

    /// Gives the first chunk, where it is the only one, another size; its entries move.
    mutating func resizeFirst(to size: Int) {
        assert(chunks.count == 1 && size >= extent && size <= Self.chunkSize, "the first chunk holds its entries")
        let (old, new) = (chunks[0], newChunk(size))
        new.copyMemory(from: old, byteCount: extent * MemoryLayout<IndexEntry>.stride)
        let checksums = extent * MemoryLayout<UInt32>.stride
        (new - checksums).copyMemory(from: old - checksums, byteCount: checksums)
        free(old, of: room)
        chunks[0] = new
        room = size
    }

    private func newChunk(_ size: Int) -> Chunk {
        let checksums = size * MemoryLayout<UInt32>.stride
        let memory =
            size == Self.chunkSize
            ? pool.allocate()
            : .allocate(
                byteCount: checksums + size * MemoryLayout<IndexEntry>.stride,
                alignment: MemoryLayout<IndexEntry>.alignment)
        memory.initializeMemory(as: UInt32.self, repeating: 0, count: size)
        let chunk = memory + checksums
        chunk.bindMemory(to: IndexEntry.self, capacity: size)
        return chunk
    }

    func free(_ chunk: Chunk, of size: Int) {
        let memory = chunk - size * MemoryLayout<UInt32>.stride
        if size == Self.chunkSize { pool.free(memory) } else { memory.deallocate() }
    }

    /// Frees memory of an index that nobody looks at any more. Returns true when hardly any is left.
    mutating func freeSome(_ work: inout Int) -> Bool {
        while work > 0, let last = chunks.popLast() {
            work -= Self.chunkSize
            free(last, of: chunks.isEmpty ? firstRoom : Self.chunkSize)
            room = chunks.count * Self.chunkSize
        }
        return chunks.isEmpty && arena.freeSome(&work)
    }

    @inline(__always)
    func pointer(_ entry: Int) -> UnsafeMutablePointer<IndexEntry> {
        chunks[entry / Self.chunkSize].assumingMemoryBound(to: IndexEntry.self) + entry % Self.chunkSize
    }

    /// The content checksum. It lies apart from the entry because only changes and comparisons of replicas look at it.
    @inline(__always)
    func checksum(_ entry: Int) -> UnsafeMutablePointer<UInt32> {
        chunks[entry / Self.chunkSize].assumingMemoryBound(to: UInt32.self) - 1 - entry % Self.chunkSize
    }

    @inline(__always)
    func key(_ entry: Int) -> UnsafeRawBufferPointer {
        let entry = pointer(entry)
        return arena.key(entry.pointee.address, Int(entry.pointee.keyLength))
    }

    func hash(_ entry: Int) -> KeyHash { KeyHash(key(entry)) }

    /// The numbers of all entries, including free ones. A loop over them may remove the entry that it is at.
    var entries: Range<Int> { 0..<extent }
    func isUsed(_ entry: Int) -> Bool { pointer(entry).pointee.isUsed }

    /// Calls `body` with the entries in use whose keys belong to a leaf of the hash tree.
    func forEach(leaf: Int, _ body: (Int) -> Void) {
        leaves.withUnsafeBytes { leaves in
            guard let start = leaves.baseAddress else { return }
            var next = start
            while let found = memchr(next, Int32(truncatingIfNeeded: leaf), start + leaves.count - next) {
                let entry = UnsafeRawPointer(found) - start
                if isUsed(entry) { body(entry) }
                next = start + entry + 1
            }
        }
    }

    private func matches(_ entry: Int, _ key: UnsafeRawBufferPointer) -> Bool {
        guard pointer(entry).pointee.keyLength == key.count else { return false }
        guard let ours = self.key(entry).baseAddress, let theirs = key.baseAddress else { return true }
        return memcmp(ours, theirs, key.count) == 0
    }

    private func place(_ entry: Int, _ hash: KeyHash) {
        guard let slots else { return assertionFailure("the table has room for an entry before it is placed") }
        SlotTable(slots: slots, bits: bits).place(entry, hash)
    }

    /// Keeps at most three quarters of the slots used. (While entries are being moved together, new ones come after the
    /// last one, so their numbers may be above the count.)
    @inline(__always)
    private mutating func makeRoomInTables() {
        let next = (free.isEmpty ? extent : count) + 1
        if next * 16 > (1 << bits) * 11 { prepareToGrow() }
        if slots == nil || next * 4 > (1 << bits) * 3 { grow() }
        if let table = shrinking.table, (extent + 1) * 4 > (1 << table.bits) * 3 { dropNextTable() }
    }

    /// Tables of fewer slots are filled at once.
    static let smallestPrepared = 1024
    /// So many entries are moved into the next table with each key that is added. The table in use has room for a
    /// sixteenth of its slots when the first of them is.
    static let movedPerInsert = 16

    /// Moves some entries into a table of twice the size, which takes the place of the one in use when it has all.
    @inline(never)
    private mutating func prepareToGrow() {
        guard 1 << bits >= Self.smallestPrepared else { return }
        if case .nothing = shrinking { shrinking = .table(SlotTable(bits: bits + 1)) }
        guard let table = shrinking.table, table.bits > bits else { return }
        var work = Self.movedPerInsert * (1 + Self.move)
        fillNextTable(&work)
    }

    /// Fills a larger table at once: a small one, or where memory was being given back until now.
    private mutating func grow() {
        dropNextTable()
        let bits = slots == nil ? Self.smallestTable.trailingZeroBitCount : bits + 1
        let table = SlotTable(bits: bits)
        for entry in entries where isUsed(entry) { table.place(entry, hash(entry)) }
        use(table)
    }

    /// Makes a table that has all entries the one that lookups use.
    mutating func use(_ table: SlotTable) {
        if let slots { SlotTable.free(slots) }
        (slots, bits) = (table.slots, table.bits)
    }
}

/// The slots of an index. Not owned: whoever made it frees it.
struct SlotTable {
    let slots: UnsafeMutablePointer<UInt32>
    /// log2 of the number of slots.
    let bits: Int
    /// The entries up to this one have been placed, of a table that is still being filled.
    var placed = 0

    init(slots: UnsafeMutablePointer<UInt32>, bits: Int) {
        self.slots = slots
        self.bits = bits
    }

    /// The system gives the memory of a large table, which is all zeros, as its pages are used.
    init(bits: Int) {
        guard let memory = calloc(1 << bits, MemoryLayout<UInt32>.stride) else {
            fatalError("no memory for the index of keys")
        }
        self.init(slots: memory.bindMemory(to: UInt32.self, capacity: 1 << bits), bits: bits)
    }

    static func free(_ slots: UnsafeMutablePointer<UInt32>) { Glibc.free(slots) }

    var mask: Int { 1 << bits - 1 }

    @inline(__always)
    static func home(_ hash: KeyHash, _ mask: Int) -> Int { Int(truncatingIfNeeded: hash.low >> 16) & mask }

    @inline(__always)
    func place(_ entry: Int, _ hash: KeyHash) {
        let mask = mask
        assert(entry < mask, "an entry's number fits into its part of a slot")
        let fingerprint = UInt32(truncatingIfNeeded: hash.high) & ~UInt32(truncatingIfNeeded: mask)
        var place = Self.home(hash, mask)
        while slots[place] != 0 { place = (place + 1) & mask }
        slots[place] = fingerprint | UInt32(truncatingIfNeeded: entry + 1)
    }

    /// The slot of an entry that has one.
    @inline(__always)
    func slot(of entry: Int, _ hash: KeyHash) -> Int {
        let mask = mask
        var place = Self.home(hash, mask)
        while slots[place] & UInt32(truncatingIfNeeded: mask) != UInt32(truncatingIfNeeded: entry + 1) {
            assert(slots[place] != 0, "every entry in use has a slot")
            place = (place + 1) & mask
        }
        return place
    }
}
