/// A position in a store's sequence of appends: 1 is the first since it was opened. Durable in order.
package typealias LogPosition = UInt64

/// A read that would block: hand it to the storage threads, and its completion to the machine.
package struct ReadTicket: Hashable, Sendable {
    package var raw: UInt64
    /// Of the key and the value to be read, or a few more.
    package var bytes: Int

    @inlinable
    package init(_ raw: UInt64, bytes: Int) {
        self.raw = raw
        self.bytes = bytes
    }
}

package enum StoredRead: Sendable {
    case absent
    case found(Record)
    /// The value is on disk and not in memory. The ticket stays good until its read is completed, whatever is appended
    /// meanwhile.
    case onDisk(ReadTicket)
}

/// What came of a read from disk.
package enum LoadedValue: Hashable, Sendable {
    /// The record as it was when the ticket was given, even if the key has been overwritten since.
    case record(Record)
    /// It was wiped or purged meanwhile: this says nothing of what the key holds, or held.
    case gone
    /// The bytes on disk are not what was written. The version stands, as `head` tells it, and the value may be had
    /// from another replica: see `restore`. (Where the key has been overwritten meanwhile, another read may succeed.)
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

/// What the replication machine needs of a store. Appends are visible to reads at once; they are durable
/// when `durable` has reached the position they were given.
///
/// One store serves the partitions of one shard and is confined to that shard's event loop.
package protocol RecordStore: AnyObject {
    /// The position of the newest append; 0 before the first.
    var appended: LogPosition { get }
    /// Everything up to here survives what the sync mode promises.
    var durable: LogPosition { get }
    /// Everything up to here survives power loss, in every mode. Never beyond `durable`, and soon level with it where
    /// promises, wipes or purge floors wait for it.
    var synced: LogPosition { get }
    /// False near a full disk: clients may add nothing but tombstones then.
    var acceptsWrites: Bool { get }
    /// False still nearer to a full disk, and while too much waits to be written: what other leaders have written may
    /// be appended until then, as they cannot know.
    var acceptsCopies: Bool { get }

    func head(_ partition: PartitionID, _ key: Key) -> RecordHead?
    func read(_ partition: PartitionID, _ key: Key) -> StoredRead
    /// The same where the value is in memory; nil where it is not, and nothing has been asked for.
    func readAtOnce(_ partition: PartitionID, _ key: Key) -> StoredRead?
    /// The same as `read` for what no client waits for: without a look at the disk, nor at what the system may have in
    /// memory of it, for which clients' requests would wait.
    func readLater(_ partition: PartitionID, _ key: Key) -> StoredRead
    // The same for who has the key's hash.
    func head(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> RecordHead?
    func read(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead
    func readAtOnce(_ partition: PartitionID, _ key: Key, _ hash: KeyHash) -> StoredRead?
    func put(_ partition: PartitionID, _ key: Key, _ record: Record, _ hash: KeyHash)

    /// Replaces what is held of `key`, which the caller has checked to be of a lower version.
    func put(_ partition: PartitionID, _ key: Key, _ record: Record)
    /// Writes the record held of `key` again, with the value that another replica has under the same version: one
    /// version names one value, so nothing changes but the place on disk.
    /// - Returns: false where another version is held, or none, or there is no room.
    func restore(_ partition: PartitionID, _ key: Key, _ record: Record) -> Bool

    /// What has been appended is to be synced soon, in every mode.
    func requireSync()

    /// The highest ballot promised for the partition; `.zero` before the first.
    func promise(_ partition: PartitionID) -> Ballot
    /// Synced in every mode, after everything appended before it.
    func setPromise(_ partition: PartitionID, _ ballot: Ballot)

    func tree(_ partition: PartitionID) -> HashTree
    /// The records of one leaf of the partition's hash tree, in no order, tombstones included, each with the checksum
    /// of what is held under its version: of content type, value and expiry, the same on all replicas; 0 of a
    /// tombstone.
    func forEach(_ partition: PartitionID, leaf: Int, _ body: (Key, RecordHead, _ checksum: UInt32) -> Void)
    /// All records of a partition, in no order, tombstones included.
    func forEach(_ partition: PartitionID, _ body: (Key, RecordHead) -> Void)
    func usage(_ partition: PartitionID) -> PartitionUsage
    /// How many of the partition's records with a value have an expiry, passed or not.
    func expiringRecords(_ partition: PartitionID) -> Int

    /// The epoch of membership that the partition's records are of; 0 where it holds none.
    func membership(_ partition: PartitionID) -> Epoch
    /// Forgets every record of a partition, and its purge floor, durably and in order with other appends; the promise
    /// stays. What is appended from now on is of `membership`, which is above the present one, or 0: no member any
    /// more.
    func wipe(_ partition: PartitionID, membership: Epoch)

    /// Tombstones up to this version are gone. `.zero` before the first purge.
    func purgeFloor(_ partition: PartitionID) -> Version
    /// Forgets the tombstones up to `floor`, from the hash tree as well. Synced in every mode, after everything
    /// appended before it. One that is not above the present floor changes nothing.
    func setPurgeFloor(_ partition: PartitionID, _ floor: Version)
}

package struct PartitionUsage: Hashable, Sendable {
    /// Records with a value.
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

/// A store that looks keys up in another way has no use for their hashes.
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
