/// The bytes of one partition's keys, in blocks: nothing is copied when the arena grows, and a block of which no key is
/// in use any more is freed.
///
/// An address is a block's number times `blockSize`, plus the offset in it. A key that is long for a block has its own.
struct KeyArena: ~Copyable {
    static let blockSize = 4096
    private static let smallestBlock = 64

    private struct Use {
        var live: UInt32
        var capacity: UInt32
    }

    /// Nil for numbers that are free.
    private var blocks: [UnsafeMutableRawPointer?] = []
    /// How much of each block is in use.
    private var uses: [Use] = []
    private var free: [UInt32] = []
    /// The block being filled, the bytes used of it, and its size. The first blocks are small, for partitions with few
    /// keys.
    private var current: Int?
    private var filled = 0
    private var capacity = 0
    /// Bytes of all blocks.
    private(set) var allocated = 0
    /// Bytes of keys that are in use.
    private(set) var live = 0

    private let pool: SlabPool

    /// - Parameter pool: for blocks of `blockSize` bytes.
    init(_ pool: SlabPool) { self.pool = pool }

    deinit {
        for (number, block) in blocks.enumerated() {
            if let block { free(block, of: Int(uses[number].capacity)) }
        }
    }

    /// Frees blocks of an arena that nobody looks at any more. Returns true when there are none.
    mutating func freeSome(_ work: inout Int) -> Bool {
        while work > 0, let last = blocks.popLast() {
            work -= KeyIndex.chunkSize
            guard let use = uses.popLast(), let last else { continue }
            free(last, of: Int(use.capacity))
        }
        return blocks.isEmpty
    }

    mutating func add(_ key: UnsafeRawBufferPointer) -> UInt64 {
        // An empty key has no bytes to store, and there may be no block yet.
        guard key.count > 0 else { return 0 }
        live += key.count
        if key.count > Self.blockSize / 4 {
            let block = newBlock(key.count)
            store(key, block, 0)
            return UInt64(block) * UInt64(Self.blockSize)
        }
        if capacity - filled < key.count {
            let full = current
            capacity = min(max(live, Self.smallestBlock), Self.blockSize)
            current = newBlock(capacity)
            filled = 0
            if let full, uses[full].live == 0 { release(full) }
        }
        let block = current ?? 0
        store(key, block, filled)
        defer { filled += key.count }
        return UInt64(block) * UInt64(Self.blockSize) + UInt64(filled)
    }

    @inline(__always)
    func key(_ address: UInt64, _ length: Int) -> UnsafeRawBufferPointer {
        if length == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
        guard let block = blocks[Int(address / UInt64(Self.blockSize))] else {
            assertionFailure("a block with a key in use is there")
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: block + Int(address % UInt64(Self.blockSize)), count: length)
    }

    mutating func drop(_ address: UInt64, _ length: Int) {
        guard length > 0 else { return }
        let block = Int(address / UInt64(Self.blockSize))
        assert(length <= live && length <= uses[block].live, "a key is dropped once")
        live -= length
        uses[block].live -= UInt32(length)
        guard uses[block].live == 0 else { return }
        // The block being filled is filled again from its beginning.
        if block == current { filled = 0 } else { release(block) }
    }

    /// True when moving the keys of blocks that are mostly unused is worth it. Otherwise the blocks take at most twice
    /// the keys in use and two blocks.
    var isWasteful: Bool { allocated > 2 * live + 2 * Self.blockSize }

    /// Moves a key to the block being filled, if the one that it is in is less than half used.
    /// - Returns: its address.
    mutating func moved(_ address: UInt64, _ length: Int) -> UInt64 {
        let block = Int(address / UInt64(Self.blockSize))
        guard length > 0, block != current, uses[block].live * 2 < uses[block].capacity else { return address }
        let target = add(key(address, length))
        drop(address, length)
        return target
    }

    private mutating func newBlock(_ size: Int) -> Int {
        let block = size == Self.blockSize ? pool.allocate() : .allocate(byteCount: size, alignment: 1)
        let use = Use(live: 0, capacity: UInt32(size))
        allocated += size
        if let number = free.popLast() {
            blocks[Int(number)] = block
            uses[Int(number)] = use
            return Int(number)
        }
        blocks.append(block)
        uses.append(use)
        return blocks.count - 1
    }

    private mutating func release(_ block: Int) {
        if let memory = blocks[block] { free(memory, of: Int(uses[block].capacity)) }
        blocks[block] = nil
        allocated -= Int(uses[block].capacity)
        uses[block].capacity = 0
        free.append(UInt32(block))
    }

    private func free(_ block: UnsafeMutableRawPointer, of size: Int) {
        if size == Self.blockSize { pool.free(block) } else { block.deallocate() }
    }

    private mutating func store(_ key: UnsafeRawBufferPointer, _ block: Int, _ offset: Int) {
        uses[block].live += UInt32(key.count)
        if let base = key.baseAddress, let block = blocks[block] {
            (block + offset).copyMemory(from: base, byteCount: key.count)
        }
    }
}
