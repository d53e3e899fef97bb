import Synchronization

/// The cursors at which scans begin. The server gives them once the keys are loaded.
final class ScanStarts: Sendable {
    /// The number of cursors that are gathered at most.
    static let limit = 256

    private let cursors = Mutex<[[UInt8]]>([[]])

    func set(_ cursors: [[UInt8]]) { self.cursors.withLock { $0 = cursors.isEmpty ? [[]] : cursors } }

    /// Returns one of the cursors. An empty one means the beginning.
    subscript(choice: UInt64) -> [UInt8] {
        cursors.withLock { $0[Int(choice % UInt64($0.count))] }
    }
}
