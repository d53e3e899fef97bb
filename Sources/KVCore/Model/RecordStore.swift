/// The position of an append in a store's log: 1 is the first append since the store was opened. Appends become durable
/// in this order.
package typealias LogPosition = UInt64

/// A read that would block. The shell has a storage thread perform it, and gives the value to the machine.
package struct ReadTicket: Hashable, Sendable {
    package var raw: UInt64
    /// Bytes of the key and the value, or a few more.
    package var bytes: Int

    @inlinable
    package init(_ raw: UInt64, bytes: Int) {
        self.raw = raw
        self.bytes = bytes
    }
}

/// The result of a read from a store.
package enum StoredRead: Sendable {
    /// The store holds no record of the key.
    case absent
    case found(Record)
    /// The value is on disk and not in memory. The ticket stays valid until its read is completed, whatever is appended
    /// meanwhile.
    case onDisk(ReadTicket)
}

/// The result of a read from disk.
package enum LoadedValue: Hashable, Sendable {
    /// The record as it was when the ticket was given, even if the key has been overwritten since.
    case record(Record)
    /// The record was wiped or purged meanwhile. This does not say that the key is absent, or was.
    case gone
    /// The bytes on disk are not those that were written. The store still knows the version (`head`), and another
    /// replica may have the value (`restore`). If the key has been overwritten meanwhile, another read may succeed.
    case damaged
}

/// A record whose value cannot be read from this store's disk.
package struct DamagedRecord: Hashable, Sendable {
    package let partition: PartitionID
    package let key: Key
    package let version: Version

    package init(partition: PartitionID, key: Key, version: Version) {
        self.partition = partition
        self.key = key
        self.version = version
    }
}

/// The store as the replication machine uses it. An append is visible to reads at once. It is durable when `durable`
/// has reached its position.
///
/// A store serves the partitions of one shard, and is used on that shard's event loop only.
package protocol RecordStore: AnyObject {
    /// The position of the newest append; 0 before the first.
    var appended: LogPosition { get }
    /// All appends up to this position are durable in the sense of the sync mode.
    var durable: LogPosition { get }
    /// All appends up to this position survive power loss, in every sync mode. Never beyond `durable`. It follows
    /// `durable` soon if promises, wipes or purge floors wait for it.
    var synced: LogPosition { get }
    /// False if the disk is nearly full. A leader then proposes nothing but tombstones.
    var acceptsWrites: Bool { get }
    /// False if the disk is even fuller, or if too much waits to be written. A replica then takes no values from other
    /// leaders. The reserve between the two limits is for such values, because their leaders do not know that this disk
    /// is full.
    var acceptsCopies: Bool { get }

    /// The version and expiry of the record that the store holds. Nil if it holds none.
    func head(_ partition: PartitionID, _ key: Key) -> RecordHead?
    /// Reads a record. If its value is not in memory, the result is a ticket.
    func read(_ partition: PartitionID, _ key: Key) -> StoredRead
    /// Reads a record if that takes no ticket. Nil if its value is not in memory.
    func readAtOnce(_ partition: PartitionID, _ key: Key) -> StoredRead?
    /// Like `read`, for background work: never touches the disk or the page cache on the event loop, where clients'
    /// requests would wait for it.
    func readLater(_ partition: PartitionID, _ key: Key) -> StoredRead
    // The same for callers that know the key's hash.
    func head(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> RecordHead?
    func read(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead
    func readAtOnce(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead?
    func put(_ partition: PartitionID, _ key: Key, _ record: Record, _ hash: KeyHash)

    /// Replaces the record of `key`. The caller has checked that the new version is higher.
    func put(_ partition: PartitionID, _ key: Key, _ record: Record)
    /// Writes the record of `key` again, with the value that another replica has under the same version. One version
    /// names one value, so only the place on disk changes.
    /// - Returns: False if the store does not hold this version, or has no room.
    func restore(_ partition: PartitionID, _ key: Key, _ record: Record) -> Bool

    /// Asks that the present appends be synced soon, in every sync mode.
    func requireSync()

    /// The highest ballot promised for the partition; `.zero` before the first.
    func promise(_ partition: PartitionID) -> Ballot
    /// Appends a promise. It is synced in every sync mode, with everything appended before it.
    func setPromise(_ partition: PartitionID, _ ballot: Ballot)

    func tree(_ partition: PartitionID) -> HashTree
    /// Visits the records of one leaf of the partition's hash tree, in no order, tombstones included. The checksum
    /// covers content type, value and expiry. It is the same on all replicas, and 0 for a tombstone.
    func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void)
    /// Visits all records of a partition, in no order, tombstones included.
    func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void)
    func usage(_ partition: PartitionID) -> PartitionUsage
    /// The time before which `forEachExpired` would find nothing: the first expiry of a record with a value, or
    /// somewhat earlier, or a few milliseconds later. Nil if no record expires.
    func nextExpiry(_ partition: PartitionID) -> Expiry?
    /// Visits records with a value whose expiry has passed. A record may be found a few milliseconds late, and later if
    /// many have expired since the last call; none is left out for good. The next call begins with others.
    ///
    /// - Returns: What it has cost, in records visited: at most twice `limit`.
    func forEachExpired(
        _ partition: PartitionID, at wall: UInt64, limit: Int, _ body: (Key, RecordHead) -> Void
    ) -> Int

    /// The epoch since which the node has belonged to the partition whose records these are. 0 if the store holds none.
    func membership(_ partition: PartitionID) -> Epoch
    /// Deletes every record of a partition, and its purge floor, durably and in order with other appends. The promise
    /// stays. Records appended from now on belong to `membership`, which is above the present one, or 0 if the node is
    /// not a member any more.
    func wipe(_ partition: PartitionID, membership: Epoch)

    /// The version up to which tombstones have been removed; `.zero` before the first purge.
    func purgeFloor(_ partition: PartitionID) -> Version
    /// Removes the tombstones up to `floor`, also from the hash tree. It is synced in every sync mode, with everything
    /// appended before it. A floor that is not above the present one changes nothing. `usage` may count them for some
    /// time.
    func setPurgeFloor(_ partition: PartitionID, _ floor: Version)
    /// True while tombstones that count as removed are still in memory. `tree` then has to remove all of them at once,
    /// which can take long, so what can wait should not ask for it.
    func isPurging(_ partition: PartitionID) -> Bool

    /// Which partition has which slots, as far as this store has carried out the splits. It follows the topology's,
    /// split by split.
    var slots: SlotMap { get }
    /// Does a part of the work of the splits up to `count` partitions ahead of time, so that `split` has little left to
    /// do. Nobody notices: until then a partition has all its records, and the one to come has none.
    /// - Parameter work: How many records may be looked at or moved. What was done is subtracted.
    /// - Returns: True once `split`, called until there are `count` partitions, would not have to move any record.
    func prepareSplits(to count: Int, work: inout Int) -> Bool
    /// Carries out the next split (`slots.next`; nothing if there is none). From now on the records in the slots of the
    /// new partition are the new partition's, and it has the promise, the purge floor and the membership of the one
    /// that it was split off. Its state is appended if this store holds one of the other, and is synced in every sync
    /// mode, with everything appended before it. What was not prepared is done at once, which may take long.
    func split()
}

/// How much a partition, or several, hold.
package struct PartitionUsage: Hashable, Sendable {
    /// Records with a value, expired ones included.
    package var keys: Int
    package var tombstones: Int
    /// Bytes of keys and values.
    package var bytes: Int

    package init(keys: Int = 0, tombstones: Int = 0, bytes: Int = 0) {
        self.keys = keys
        self.tombstones = tombstones
        self.bytes = bytes
    }
}

extension RecordStore {
    /// Of a store that removes purged tombstones at once.
    package func isPurging(_ partition: PartitionID) -> Bool { false }
}

/// The methods with a hash, for a store that does not look keys up by their hashes.
extension RecordStore {
    package func head(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> RecordHead? { head(partition, key) }
    package func read(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead { read(partition, key) }
    package func readAtOnce(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead? {
        readAtOnce(partition, key)
    }
    package func put(_ partition: PartitionID, _ key: Key, _ record: Record, _ hash: KeyHash) {
        put(partition, key, record)
    }
}
