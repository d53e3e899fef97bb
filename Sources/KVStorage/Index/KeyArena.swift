/// The bytes of one partition's keys, in blocks: a key never moves, and nothing is copied when the arena grows.
///
/// An address is a block's number times `blockSize`, plus the offset in it. A key that is long for a block has its own.
struct KeyArena: ~Copyable {
    static let blockSize = 4096
    private static let smallestBlock = 256

    private var blocks: [UnsafeMutableRawPointer] = []
    /// The block being filled, the bytes used of it, and its size. The first blocks are small, for partitions with few
    /// keys.
    private var current = 0
    private var filled = 0
    private var capacity = 0
    /// Bytes of keys that were dropped.
    private(set) var dead = 0
    /// Bytes of keys that are in use.
    private(set) var live = 0

    init() {}

    deinit {
        for block in blocks { block.deallocate() }
    }

    mutating func add(_ key: UnsafeRawBufferPointer) -> UInt64 {
        // An empty key has no bytes to store, and there may be no block yet.
        guard key.count > 0 else { return 0 }
        live += key.count
        if key.count > Self.blockSize / 4 {
            blocks.append(.allocate(byteCount: key.count, alignment: 1))
            store(key, blocks.count - 1, 0)
            return UInt64(blocks.count - 1) * UInt64(Self.blockSize)
        }
        if capacity - filled < key.count {
            capacity = min(max(live, Self.smallestBlock), Self.blockSize)
            blocks.append(.allocate(byteCount: capacity, alignment: 1))
            current = blocks.count - 1
            filled = 0
        }
        store(key, current, filled)
        defer { filled += key.count }
        return UInt64(current) * UInt64(Self.blockSize) + UInt64(filled)
    }

    @inline(__always)
    func key(_ address: UInt64, _ length: Int) -> UnsafeRawBufferPointer {
        if length == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let block = blocks[Int(address / UInt64(Self.blockSize))]
        return UnsafeRawBufferPointer(start: block + Int(address % UInt64(Self.blockSize)), count: length)
    }

    mutating func drop(_ length: Int) {
        assert(length <= live, "a key is dropped once")
        live -= length
        dead += length
    }

    /// True when copying the keys in use to a new arena is worth it.
    var isWasteful: Bool { dead > live && dead > 16 * Self.blockSize }

    private func store(_ key: UnsafeRawBufferPointer, _ block: Int, _ offset: Int) {
        if let base = key.baseAddress { (blocks[block] + offset).copyMemory(from: base, byteCount: key.count) }
    }
}
