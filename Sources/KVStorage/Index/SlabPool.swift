import Glibc

/// Blocks of one size, in slabs whose memory the system gets back as soon as no block of a slab is in use.
///
/// The allocator of the C library keeps what is freed. It can be told to give it back (`malloc_trim`), but holds a lock
/// meanwhile that the data path may wait for: 0.25 ms for each megabyte. Here a slab goes back when its last block
/// does, in some 10 us, and indexes free their blocks in short steps.
///
///     slab    [ header | block | block | ... ]    128 KiB, at an address that is a multiple of that
///     region  [ slab | slab | ... ]               the address space of 32 slabs; it is kept
///
/// Of the slabs with free blocks, the one that came last is used first.
final class SlabPool {
    static let slabSize = 128 << 10
    private static let regionSlabs = 32

    private struct Header {
        var next: UnsafeMutablePointer<Header>?
        var previous: UnsafeMutablePointer<Header>?
        /// The free blocks that have been in use, each of which begins with the address of the next.
        var free: UnsafeMutableRawPointer?
        var used = 0
        /// The blocks that have ever been in use.
        var carved = 0
    }

    private let blockSize: Int
    private let perSlab: Int
    private var regions: [UnsafeMutableRawPointer] = []
    /// Slabs that have no memory.
    private var empty: [UnsafeMutableRawPointer] = []
    /// The first slab that has free blocks and some in use.
    private var partial: UnsafeMutablePointer<Header>?
    /// The bytes of the slabs that have memory.
    private(set) var allocated = 0

    init(blockSize: Int) {
        assert(blockSize % 16 == 0 && blockSize >= 16, "a block has room for an address")
        self.blockSize = blockSize
        perSlab = (Self.slabSize - Self.headerSize) / blockSize
    }

    deinit {
        for region in regions { munmap(region, Self.regionBytes) }
    }

    private static let headerSize = 64
    private static let regionBytes = (regionSlabs + 1) * slabSize

    func allocate() -> UnsafeMutableRawPointer {
        let slab = partial ?? newSlab()
        slab.pointee.used += 1
        let block: UnsafeMutableRawPointer
        if let free = slab.pointee.free {
            block = free
            slab.pointee.free = free.load(as: UnsafeMutableRawPointer?.self)
        } else {
            block = UnsafeMutableRawPointer(slab) + Self.headerSize + slab.pointee.carved * blockSize
            slab.pointee.carved += 1
        }
        if slab.pointee.used == perSlab { unlink(slab) }
        return block
    }

    /// - Parameter block: of `allocate`.
    func free(_ block: UnsafeMutableRawPointer) {
        let start = UInt(bitPattern: block) & ~UInt(Self.slabSize - 1)
        guard let memory = UnsafeMutableRawPointer(bitPattern: start) else { return }
        let slab = memory.assumingMemoryBound(to: Header.self)
        assert(slab.pointee.used > 0, "a block is freed once")
        if slab.pointee.used == perSlab { link(slab) }
        slab.pointee.used -= 1
        guard slab.pointee.used == 0 else {
            block.storeBytes(of: slab.pointee.free, as: UnsafeMutableRawPointer?.self)
            slab.pointee.free = block
            return
        }
        unlink(slab)
        // The range is kept, so that no number of ranges is exceeded (vm.max_map_count); only its memory goes.
        madvise(memory, Self.slabSize, MADV_DONTNEED)
        empty.append(memory)
        allocated -= Self.slabSize
    }

    private func newSlab() -> UnsafeMutablePointer<Header> {
        if empty.isEmpty { addRegion() }
        guard let memory = empty.popLast() else { fatalError("no memory for the index of keys") }
        let slab = memory.bindMemory(to: Header.self, capacity: 1)
        slab.initialize(to: Header())
        link(slab)
        allocated += Self.slabSize
        return slab
    }

    private func addRegion() {
        let found = mmap(nil, Self.regionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let found, found != MAP_FAILED else { return }
        regions.append(found)
        let start = (UInt(bitPattern: found) + UInt(Self.slabSize - 1)) & ~UInt(Self.slabSize - 1)
        for number in (0..<Self.regionSlabs).reversed() {
            if let slab = UnsafeMutableRawPointer(bitPattern: start + UInt(number * Self.slabSize)) {
                empty.append(slab)
            }
        }
    }

    private func link(_ slab: UnsafeMutablePointer<Header>) {
        slab.pointee.next = partial
        slab.pointee.previous = nil
        partial?.pointee.previous = slab
        partial = slab
    }

    private func unlink(_ slab: UnsafeMutablePointer<Header>) {
        if let previous = slab.pointee.previous {
            previous.pointee.next = slab.pointee.next
        } else {
            partial = slab.pointee.next
        }
        slab.pointee.next?.pointee.previous = slab.pointee.previous
    }
}

/// What the indexes of a store's partitions get their memory from.
final class IndexMemory {
    /// For `KeyIndex.chunkSize` entries.
    let chunks = SlabPool(blockSize: KeyIndex.chunkBytes)
    /// For `KeyArena.blockSize` bytes of keys.
    let blocks = SlabPool(blockSize: KeyArena.blockSize)
    private var indexes: UInt32 = 0

    /// A number that no other index of the store has.
    func numberIndex() -> UInt32 {
        indexes &+= 1
        return indexes
    }
}

/// The index of keys that a partition has forgotten all at once. Its memory is given back in steps.
final class SpentIndex {
    private var index: KeyIndex
    /// The entries from here on still count: in the sizes of what is needed in segments, and in the cache.
    private var counted: Int

    /// - Parameter isCounted: Whether its entries still count.
    init(_ index: consuming KeyIndex, isCounted: Bool) {
        counted = isCounted ? 0 : index.extent
        self.index = index
    }

    var isCounted: Bool { counted < index.extent }

    /// Calls `body` with the entries that still count, which from then on do not.
    /// - Parameter work: How many may be looked at. What was done is subtracted.
    func discount(_ work: inout Int, _ body: (UnsafeMutablePointer<IndexEntry>, _ entry: CachedEntry) -> Void) {
        while isCounted, work > 0 {
            work -= 1
            if index.isUsed(counted) { body(index.pointer(counted), CachedEntry(index: index.number, entry: counted)) }
            counted += 1
        }
    }

    func forEachCounted(_ body: (IndexEntry) -> Void) {
        for entry in counted..<max(index.extent, counted) where index.isUsed(entry) {
            body(index.pointer(entry).pointee)
        }
    }

    func free(_ work: inout Int) -> Bool { index.freeSome(&work) }
}
