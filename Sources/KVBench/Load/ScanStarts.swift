import Synchronization

/// Places from which scans may begin: cursors that the server gave. They are known once the keys are there.
final class ScanStarts: Sendable {
    /// How many are gathered at the most.
    static let limit = 256

    private let cursors = Mutex<[[UInt8]]>([[]])

    func set(_ cursors: [[UInt8]]) { self.cursors.withLock { $0 = cursors.isEmpty ? [[]] : cursors } }

    /// One of them; empty is the beginning.
    subscript(choice: UInt64) -> [UInt8] {
        cursors.withLock { $0[Int(choice % UInt64($0.count))] }
    }
}
