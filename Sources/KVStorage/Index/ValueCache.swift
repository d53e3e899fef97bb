import CLinux
import KVCore

/// An entry of an index. A partition that is wiped has another index afterwards, so the partition does not name one.
struct CachedEntry: Hashable {
    var index: UInt32
    var entry: Int
}

/// A cache of recently read values, bounded in bytes.
///
/// It is CLOCK, the second-chance approximation of LRU (Corbató): a hand goes round the slots and evicts the first
/// value that was not used since it last came by, so a hit sets one flag and maintains no list. A value enters when it
/// is read, not when it is written: two of three writes are those of followers, which nobody reads from.
struct ValueCache {
    struct Value {
        var value: [UInt8]
        var contentType: String
        /// The partition whose index has the entry that refers to this slot, or had it when it was wiped.
        var partition: PartitionID
        var index: UInt32
        var entry: Int

        var size: Int { value.count + contentType.utf8.count + ValueCache.overhead }
    }

    fileprivate struct Slot {
        var value: Value?
        var isUsed = false
    }

    /// The bytes that a slot takes beside its value.
    static let overhead = 112

    let limit: Int
    private(set) var bytes = 0
    private(set) var hits = 0
    private(set) var misses = 0
    private var slots: [Slot] = []
    private var free: [UInt32] = []
    private var hand = 0

    init(limit: Int) { self.limit = limit }

    /// - Parameter slot: a slot that `insert` returned.
    mutating func value(_ slot: UInt32) -> Value? {
        let place = Int(slot) - 1
        guard slots.indices.contains(place), let value = slots[place].value else {
            assertionFailure("the index refers to slots in use")
            misses += 1
            return nil
        }
        slots[place].isUsed = true
        hits += 1
        return value
    }

    mutating func missed() { misses += 1 }

    /// Prefetches the memory that lookups are about to touch.
    struct Prefetch {
        fileprivate let slots: UnsafeBufferPointer<Slot>

        @inline(__always)
        func slot(_ slot: UInt32) {
            guard let base = slots.baseAddress, slot > 0, slot <= slots.count else { return }
            kv_prefetch(base + Int(slot) - 1)
        }

        /// Prefetches the first bytes of the slot's value, and its reference count.
        @inline(__always)
        func value(_ slot: UInt32) {
            guard let base = slots.baseAddress, slot > 0, slot <= slots.count else { return }
            // An array is one pointer to its storage. It is not dereferenced here, so it may point anywhere: this is a
            // hint.
            let value = UnsafeRawPointer(base + Int(slot) - 1).load(as: UnsafeRawPointer?.self)
            guard let value else { return }
            kv_prefetch(value)
            kv_prefetch(UnsafeRawPointer(bitPattern: UInt(bitPattern: value) &+ 64))
            kv_prefetch(UnsafeRawPointer(bitPattern: UInt(bitPattern: value) &+ 128))
        }
    }

    @inline(__always)
    func prefetch(_ body: (Prefetch) -> Void) { slots.withUnsafeBufferPointer { body(Prefetch(slots: $0)) } }

    /// - Returns: the slot, from 1; 0 when the value is too large to keep.
    /// - Parameter evicted: called with each value that is evicted.
    mutating func insert(_ value: Value, evicted: (Value) -> Void) -> UInt32 {
        let size = value.size
        guard size <= limit / 8 else { return 0 }
        while bytes + size > limit { evict(evicted) }
        bytes += size
        if let place = free.popLast() {
            slots[Int(place)] = Slot(value: value)
            return place + 1
        }
        slots.append(Slot(value: value))
        assert(bytes <= limit, "the cache keeps its limit")
        return UInt32(slots.count)
    }

    mutating func remove(_ slot: UInt32) {
        let place = Int(slot) - 1
        guard slots.indices.contains(place), let value = slots[place].value else {
            return assertionFailure("a value is removed once")
        }
        bytes -= value.size
        slots[place] = Slot()
        free.append(UInt32(place))
    }

    /// Removes the value of an entry that was forgotten some time ago. Another value may be in its slot by now.
    mutating func remove(_ slot: UInt32, of entry: CachedEntry) {
        let place = Int(slot) - 1
        guard slots.indices.contains(place), let value = slots[place].value,
            CachedEntry(index: value.index, entry: value.entry) == entry
        else { return }
        remove(slot)
    }

    /// The index entry that refers to a slot has another number now.
    mutating func entryMoved(_ slot: UInt32, to entry: Int) {
        let place = Int(slot) - 1
        guard slots.indices.contains(place), slots[place].value != nil else {
            return assertionFailure("the index refers to slots in use")
        }
        slots[place].value?.entry = entry
    }

    /// Another partition's index refers to a slot now.
    mutating func entryMoved(_ slot: UInt32, to entry: CachedEntry, of partition: PartitionID) {
        entryMoved(slot, to: entry.entry)
        slots[Int(slot) - 1].value?.partition = partition
        slots[Int(slot) - 1].value?.index = entry.index
    }

    /// Evicts one value; the cache is not empty.
    private mutating func evict(_ evicted: (Value) -> Void) {
        assert(bytes > 0, "there is something to evict")
        while true {
            if hand >= slots.count { hand = 0 }
            let place = hand
            hand += 1
            guard let value = slots[place].value else { continue }
            if slots[place].isUsed {
                slots[place].isUsed = false
                continue
            }
            evicted(value)
            remove(UInt32(place + 1))
            return
        }
    }
}
