import KVCore

// Giving memory back.
//
// After many keys are gone the index is mostly free entries, unused slots and blocks with few keys. It then shrinks in
// steps that a caller makes as short as it likes, since partitions may be large:
//
//     .entries    the last entries move to the first free ones, and the chunks behind them are freed
//     .keys       keys move from blocks that are less than half used, which frees these
//     .table      a smaller table is filled beside the one in use, and then takes its place (a larger one alike)
//
// Keys come and go between the steps. When nothing is left to do, the index of `count` keys of `live` bytes has at most
// 2 count + 128 entries with their checksums and leaves, 8 count + 256 slots, and blocks of 2 live + 8192 bytes.

extension KeyIndex {
    enum Shrinking {
        case nothing
        /// No entry before `hole` is free.
        case entries(hole: Int)
        /// The next entry whose key is to be looked at.
        case keys(next: Int)
        /// The table in use is about to be too large, or too small.
        case table(SlotTable)

        var table: SlotTable? {
            if case .table(let table) = self { table } else { nil }
        }

        var movesEntries: Bool {
            if case .entries = self { true } else { false }
        }
    }

    /// Bytes of memory, beside the index itself.
    var allocated: Int {
        let entries = room * (MemoryLayout<IndexEntry>.stride + MemoryLayout<UInt32>.stride) + leaves.capacity
        let table = (slots == nil ? 0 : 1 << bits) + (shrinking.table.map { 1 << $0.bits } ?? 0) + free.capacity
        let chunks = chunks.capacity * MemoryLayout<Chunk>.stride
        return entries + chunks + table * MemoryLayout<UInt32>.stride + arena.allocated
    }

    /// The work of moving one entry, beside that of looking at one.
    static let move = 8

    /// True when `shrink` has something to give back.
    var shouldShrink: Bool {
        if case .nothing = shrinking { hasFreeEntries || arena.isWasteful || hasUnusedSlots } else { true }
    }

    private var hasFreeEntries: Bool { extent > 2 * count + Self.chunkSize }
    private var hasUnusedSlots: Bool { slots != nil && 1 << bits > max(4 * extent, Self.smallestTable) }

    /// Makes a step of giving memory back.
    /// - Parameters:
    ///   - work: how many entries may be looked at. What the step leaves of it is left to the caller.
    ///   - moved: called with an entry that has moved, its old number and its new one.
    /// - Returns: true when nothing is left to do.
    mutating func shrink(_ work: inout Int, moved: (UnsafeMutablePointer<IndexEntry>, _ old: Int, _ new: Int) -> Void)
        -> Bool
    {
        while work > 0 {
            switch shrinking {
            case .nothing:
                guard shouldShrink else { return true }
                beginShrinking()
            case .entries(let hole): moveEntry(hole, &work, moved)
            case .keys(let next): moveKey(next, &work)
            case .table(let table): placeNext(table, &work)
            }
        }
        return !shouldShrink
    }

    private mutating func beginShrinking() {
        if hasFreeEntries {
            free = []
            shrinking = .entries(hole: 0)
        } else if arena.isWasteful {
            shrinking = .keys(next: 0)
        } else {
            var bits = Self.smallestTable.trailingZeroBitCount
            while 1 << bits < 2 * extent { bits += 1 }
            shrinking = .table(SlotTable(bits: bits))
        }
    }

    private mutating func moveEntry(
        _ hole: Int, _ work: inout Int, _ moved: (UnsafeMutablePointer<IndexEntry>, _ old: Int, _ new: Int) -> Void
    ) {
        work -= 1
        if extent == count { return endEntries() }
        let last = extent - 1
        if !isUsed(last) { return removeLast() }
        if isUsed(hole) {
            shrinking = .entries(hole: hole + 1)
            return
        }
        work -= Self.move
        assert(hole < last && slots != nil, "a free entry is before the last one")
        guard let slots else { return }
        let table = SlotTable(slots: slots, bits: bits)
        let slot = table.slot(of: last, hash(last))
        let numbers = UInt32(truncatingIfNeeded: table.mask)
        slots[slot] = slots[slot] & ~numbers | UInt32(truncatingIfNeeded: hole + 1)
        pointer(hole).pointee = pointer(last).pointee
        checksum(hole).pointee = checksum(last).pointee
        leaves[hole] = leaves[last]
        pointer(last).pointee.free()
        shrinking = .entries(hole: hole + 1)
        moved(pointer(hole), last, hole)
        removeLast()
    }

    private mutating func removeLast() {
        extent -= 1
        leaves.removeLast()
        guard extent % Self.chunkSize == 0, extent > 0 else { return }
        if let chunk = chunks.popLast() { free(chunk, of: Self.chunkSize) }
        room -= Self.chunkSize
    }

    private mutating func endEntries() {
        shrinking = .nothing
        if leaves.capacity > 2 * extent + Self.chunkSize { leaves = leaves.withUnsafeBufferPointer(Array.init) }
        if chunks.capacity > 2 * chunks.count + Self.chunkSize { chunks = chunks.withUnsafeBufferPointer(Array.init) }
        guard chunks.count == 1 else { return }
        var size = Self.smallestChunk
        while size < extent { size *= 2 }
        if size < room { resizeFirst(to: size) }
    }

    private mutating func moveKey(_ next: Int, _ work: inout Int) {
        work -= 1
        guard next < extent, arena.isWasteful else {
            shrinking = .nothing
            return
        }
        shrinking = .keys(next: next + 1)
        guard isUsed(next) else { return }
        let entry = pointer(next)
        let address = arena.moved(entry.pointee.address, Int(entry.pointee.keyLength))
        if address != entry.pointee.address { work -= Self.move }
        entry.pointee.address = address
    }

    /// Goes on with filling the table that takes the place of the one in use, which may be larger or smaller.
    mutating func fillNextTable(_ work: inout Int) {
        while work > 0, case .table(let table) = shrinking { placeNext(table, &work) }
    }

    private mutating func placeNext(_ table: SlotTable, _ work: inout Int) {
        work -= 1
        var table = table
        guard table.placed < extent else {
            shrinking = .nothing
            return use(table)
        }
        if isUsed(table.placed) {
            work -= Self.move
            table.place(table.placed, hash(table.placed))
        }
        table.placed += 1
        shrinking = .table(table)
    }

    /// Gives up filling another table.
    mutating func dropNextTable() {
        guard let table = shrinking.table else { return }
        SlotTable.free(table.slots)
        shrinking = .nothing
    }
}
