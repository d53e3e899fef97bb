import Glibc

/// All that the store asks of an operating system's files, so that tests can put a disk underneath that forgets,
/// tears, fills up and fails. Paths are absolute or relative to the working directory, with `/` between their parts.
///
/// Every call may block, except `File.readNoWait`.
package protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File
    /// The names in a directory, in no order, without `.` and `..`.
    func list(_ directory: String) throws(FileError) -> [String]
    /// Creates a directory unless it is there; its parent must be. Durable after `syncDirectory` of its parent.
    /// - Returns: whether it was not there.
    @discardableResult
    func createDirectory(_ path: String) throws(FileError) -> Bool
    /// Replaces what is at `target`. Durable after `syncDirectory`.
    func rename(_ path: String, to target: String) throws(FileError)
    /// Durable after `syncDirectory`.
    func unlink(_ path: String) throws(FileError)
    /// Makes the names in a directory durable.
    func syncDirectory(_ path: String) throws(FileError)
    /// Takes an exclusive lock on a file, creating it; nil where another process holds it. Held until it is released
    /// by its deinitialization or by the end of the process.
    func lock(_ path: String) throws(FileError) -> (any FileLock)?
    func space(_ directory: String) throws(FileError) -> VolumeSpace
}

package enum OpenMode: Sendable {
    case read
    case readWrite
    /// To read and write a file that must not exist yet.
    case create
}

/// An open file. Closed when the last reference goes.
package protocol File: AnyObject, Sendable {
    /// Bytes.
    func size() throws(FileError) -> UInt64
    /// Reads until the buffer is full or the file ends; returns the bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
    /// Fills the buffer from memory, or returns false at once where that is not possible. Never blocks.
    func readNoWait(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool
    /// Writes all of the buffer.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
    /// Makes the file's bytes and size durable, not its name.
    func sync() throws(FileError)
    /// Reserves room up to `size`, which reads as zeros. A hint: where it cannot be done, nothing happens.
    /// - Parameter written: the zeros are written rather than left for the file system to make up, so that a later sync
    ///   of what replaces them has nothing but data to write.
    func preallocate(to size: UInt64, written: Bool)
    /// Cuts the file, or extends it with zeros.
    func truncate(to size: UInt64) throws(FileError)
}

extension File {
    func write(_ bytes: [UInt8], at offset: UInt64) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { bytes in
            do throws(FileError) { try write(bytes, at: offset) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

package protocol FileLock: AnyObject, Sendable {
    /// Whether the path that was locked still leads to what was locked: false once that was deleted, moved or replaced.
    /// Blocks.
    var isInPlace: Bool { get }
}

package struct VolumeSpace: Hashable, Sendable {
    /// Bytes that this process may still write.
    package var free: UInt64
    /// Bytes of the whole volume.
    package var total: UInt64

    package init(free: UInt64, total: UInt64) {
        self.free = free
        self.total = total
    }
}

/// A call to the file system that failed.
package struct FileError: Error, Hashable, Sendable {
    /// The call, as its manual page names it.
    package var operation: String
    package var path: String
    /// `errno`.
    package var code: Int32
    /// What `code` means, in words.
    package var reason: String

    package init(operation: String, path: String, code: Int32, reason: String) {
        self.operation = operation
        self.path = path
        self.code = code
        self.reason = reason
    }

    /// Whether it is room that was lacking: the volume is full, or its user's quota.
    package var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }

    /// Of a read: whether the disk cannot give back what is there.
    var isUnreadable: Bool { code == EIO }
}

extension FileError: CustomStringConvertible {
    package var description: String { "\(operation) \(path): \(reason) (errno \(code))" }
}
