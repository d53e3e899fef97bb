import KVCore

/// A node's disk as the simulated world uses it. It outlives processes, and appends become durable by its commits.
///
/// A commit makes everything durable that was appended when it began. One commit is under way at a time.
package protocol StoreDriver: AnyObject {
    associatedtype Store: RecordStore

    /// Opens a store for a new process, with everything that has survived.
    /// - Parameter slots: Those of the topology that the node has on disk.
    func start(_ slots: SlotMap) throws -> Store
    /// Begins a commit. False if there is nothing to commit, or if a commit is under way.
    func beginCommit() -> Bool
    /// Completes the commit, so that `durable` advances.
    func finishCommit() throws
    /// Performs the read of a ticket.
    func read(_ ticket: ReadTicket) throws -> LoadedValue
    /// Flips a bit of data that was written some time ago. False if there is no such data.
    func rot() -> Bool
    /// The records that the store knows to be damaged.
    func damagedRecords() -> [DamagedRecord]
    /// An invariant of the store that is broken, in words. Nil if all hold.
    var brokenInvariant: String? { get }
    /// Ends the process. Appends that are not durable may survive or not.
    /// - Parameter outage: True if the machine loses power. Appends that are durable and not synced may then be lost
    ///   too.
    func crash(outage: Bool)
}

extension StoreDriver {
    package func rot() -> Bool { false }
    package func damagedRecords() -> [DamagedRecord] { [] }
    package var brokenInvariant: String? { nil }
}
