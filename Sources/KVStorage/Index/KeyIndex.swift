import CLinux
import Glibc
import KVCore

/// The keys of one partition: an open-addressing hash table of 32-bit slots over entries that never move.
///
///     slots     [ .  e7|f  .  e2|f  e9|f  . ]      entry number from 1, and as much fingerprint as fits beside it
///     entries   [ 48 bytes ] x 64 a chunk          version, expiry, location, the key's address
///     checksums [ 4 bytes ] x 64 behind them       content checksum of that version
///     leaves    [ 1 byte ] an entry                the leaf of the hash tree that the key belongs to
///     keys      arena
///
/// The table has 2^k slots, at most three quarters of them used. So entry numbers take at most k bits, and 32 - k
/// remain for bits of the key's hash: a probe looks at an entry only when these agree. Entries are in chunks because
/// one growing array would be copied, and would leave half of its memory unused on average. Leaves are stored apart
/// from the entries, so that finding the entries of one leaf looks at one byte of each. The index takes 59 to 66 bytes
/// a key beyond the key's own bytes, once a partition has a few hundred keys.
struct KeyIndex: ~Copyable {
    /// Memory for entries, then for as many checksums.
    private typealias Chunk = UnsafeMutableRawPointer

    private static let chunkSize = 64
    private static let checksums = chunkSize * MemoryLayout<IndexEntry>.stride
    private static let smallestTable = 16

    private var slots: UnsafeMutablePointer<UInt32>?
    /// log2 of the number of slots.
    private var bits = 0
    private var chunks: [Chunk] = []
    private var leaves: [UInt8] = []
    /// The number of entries ever handed out, free ones included.
    private var extent = 0
    /// Free entries below `extent`.
    private var free: [UInt32] = []
    private var arena = KeyArena()
    /// The number of entries in use.
    private(set) var count = 0

    init() {}

    deinit {
        slots?.deallocate()
        for chunk in chunks { chunk.deallocate() }
    }

    /// The number of a key's entry, from 0; nil where the key has none.
    func find(_ key: UnsafeRawBufferPointer, _ hash: KeyHash) -> Int? { probe(hash) { matches($0, key) } }

    /// The first entry in probing order that has the hash's fingerprint and that `accepts` accepts.
    @inline(__always)
    private func probe(_ hash: KeyHash, _ accepts: (Int) -> Bool) -> Int? {
        guard let slots else { return nil }
        let mask = 1 << bits - 1
        let numbers = UInt32(truncatingIfNeeded: mask)
        let fingerprint = UInt32(truncatingIfNeeded: hash.high) & ~numbers
        var place = Self.place(hash, mask)
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
        if let slots { kv_prefetch(slots + Self.place(hash, 1 << bits - 1)) }
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
        if slots == nil || (count + 1) * 4 > (1 << bits) * 3 { grow() }
        let entry: Int
        let leaf = UInt8(truncatingIfNeeded: HashTree.leaf(of: hash))
        if let last = free.popLast() {
            entry = Int(last)
            leaves[entry] = leaf
        } else {
            entry = extent
            if entry % Self.chunkSize == 0 { chunks.append(Self.newChunk()) }
            extent += 1
            leaves.append(leaf)
        }
        pointer(entry).initialize(
            to: IndexEntry(
                keyLength: UInt16(truncatingIfNeeded: key.count), address: arena.add(key)))
        place(entry, hash)
        count += 1
        assert(count + free.count == extent && leaves.count == extent, "an entry is in use or free")
        return entry
    }

    mutating func remove(_ entry: Int) {
        guard let slots else { return assertionFailure("an entry has a slot") }
        assert(isUsed(entry), "an entry is removed once")
        let mask = 1 << bits - 1
        var hole = Self.place(hash(entry), mask)
        let numbers = UInt32(truncatingIfNeeded: mask)
        while slots[hole] & numbers != UInt32(truncatingIfNeeded: entry + 1) {
            assert(slots[hole] != 0, "every entry in use has a slot")
            hole = (hole + 1) & mask
        }
        // Move back the slots that follow, so that no probe ends early (Knuth's algorithm R).
        var next = hole
        while true {
            next = (next + 1) & mask
            let slot = slots[next]
            if slot == 0 { break }
            let home = Self.place(hash(Int(slot & numbers) - 1), mask)
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slot
                hole = next
            }
        }
        slots[hole] = 0
        arena.drop(Int(pointer(entry).pointee.keyLength))
        pointer(entry).pointee.free()
        free.append(UInt32(truncatingIfNeeded: entry))
        count -= 1
        if arena.isWasteful { compact() }
    }

    private static func newChunk() -> Chunk {
        let chunk = Chunk.allocate(
            byteCount: checksums + chunkSize * MemoryLayout<UInt32>.stride,
            alignment: MemoryLayout<IndexEntry>.alignment)
        chunk.bindMemory(to: IndexEntry.self, capacity: chunkSize)
        (chunk + checksums).initializeMemory(as: UInt32.self, repeating: 0, count: chunkSize)
        return chunk
    }

    @inline(__always)
    func pointer(_ entry: Int) -> UnsafeMutablePointer<IndexEntry> {
        chunks[entry / Self.chunkSize].assumingMemoryBound(to: IndexEntry.self) + entry % Self.chunkSize
    }

    /// The content checksum. It lies apart from the entry because only changes and comparisons of replicas look at it.
    @inline(__always)
    func checksum(_ entry: Int) -> UnsafeMutablePointer<UInt32> {
        (chunks[entry / Self.chunkSize] + Self.checksums).assumingMemoryBound(to: UInt32.self)
            + entry % Self.chunkSize
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

    private static func place(_ hash: KeyHash, _ mask: Int) -> Int {
        Int(truncatingIfNeeded: hash.low >> 16) & mask
    }

    private func matches(_ entry: Int, _ key: UnsafeRawBufferPointer) -> Bool {
        guard pointer(entry).pointee.keyLength == key.count else { return false }
        guard let ours = self.key(entry).baseAddress, let theirs = key.baseAddress else { return true }
        return memcmp(ours, theirs, key.count) == 0
    }

    private func place(_ entry: Int, _ hash: KeyHash) {
        guard let slots else { return assertionFailure("the table has room for an entry before it is placed") }
        let mask = 1 << bits - 1
        assert(entry < mask, "an entry's number fits into its part of a slot")
        let fingerprint = UInt32(truncatingIfNeeded: hash.high) & ~UInt32(truncatingIfNeeded: mask)
        var place = Self.place(hash, mask)
        while slots[place] != 0 { place = (place + 1) & mask }
        slots[place] = fingerprint | UInt32(truncatingIfNeeded: entry + 1)
    }

    private mutating func grow() {
        slots?.deallocate()
        bits = slots == nil ? Self.smallestTable.trailingZeroBitCount : bits + 1
        let table = UnsafeMutablePointer<UInt32>.allocate(capacity: 1 << bits)
        table.initialize(repeating: 0, count: 1 << bits)
        slots = table
        for entry in entries where isUsed(entry) { place(entry, hash(entry)) }
    }

    private mutating func compact() {
        var fresh = KeyArena()
        for entry in entries where isUsed(entry) {
            let address = fresh.add(key(entry))
            pointer(entry).pointee.address = address
        }
        arena = fresh
    }
}
