import KVCore

/// A node's disk as the simulated world uses it, with a store for each of the node's shards. It outlives processes, and
/// appends become durable by its commits.
///
/// A commit makes everything durable that was appended to a store when it began. Each store has one commit under way at
/// a time.
package protocol StoreDriver: AnyObject {
    associatedtype Store: RecordStore

    /// Opens the stores for a new process, with everything that has survived. There are as many as when the disk was
    /// new.
    /// - Parameter slots: Those of the topology that the node has on disk.
    func start(_ slots: SlotMap) throws -> [Store]
    /// Begins a commit. False if there is nothing to commit, or if a commit of the store is under way.
    func beginCommit(shard: Int) -> Bool
    /// Completes the commit, so that `durable` advances.
    func finishCommit(shard: Int) throws
    /// Performs the read of a ticket.
    func read(_ ticket: ReadTicket, shard: Int) throws -> LoadedValue
    /// Flips a bit of data that was written some time ago. False if there is no such data.
    func rot() -> Bool
    /// The records that a store knows to be damaged.
    func damagedRecords(shard: Int) -> [DamagedRecord]
    /// An invariant of a store that is broken, in words. Nil if all hold.
    func brokenInvariant(shard: Int) -> String?
    /// Ends the process. Appends that are not durable may survive or not.
    /// - Parameter outage: True if the machine loses power. Appends that are durable and not synced may then be lost
    ///   too.
    func crash(outage: Bool)
}

extension StoreDriver {
    package func rot() -> Bool { false }
    package func damagedRecords(shard: Int) -> [DamagedRecord] { [] }
    package func brokenInvariant(shard: Int) -> String? { nil }
}
