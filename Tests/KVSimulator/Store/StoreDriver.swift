import KVCore

/// A node's disk as the simulated world sees it: it outlives the process, and decides when appends become durable.
///
/// A commit makes durable everything that was appended when it began; one is under way at a time, as in a store that
/// groups commits.
package protocol StoreDriver: AnyObject {
    associatedtype Store: RecordStore

    /// Starts a process on what has survived.
    func start() throws -> Store
    /// False where there is nothing to make durable, or a commit is under way.
    func beginCommit() -> Bool
    /// The commit that was begun is done: `durable` advances.
    func finishCommit() throws
    /// Performs a read that the store has put off.
    func read(_ ticket: ReadTicket) throws -> LoadedValue
    /// The disk spoils some bit of what had been written some time ago; false where there is nothing such.
    func rot() -> Bool
    /// What the store knows to be spoiled.
    func damagedRecords() -> [DamagedRecord]
    /// The process dies. Of what is not durable, chance decides what survives.
    /// - Parameter outage: the machine loses power, and with it what was durable and not synced.
    func crash(outage: Bool)
}

extension StoreDriver {
    package func rot() -> Bool { false }
    package func damagedRecords() -> [DamagedRecord] { [] }
}
