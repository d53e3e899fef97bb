import Glibc

/// The file operations that the store needs of an operating system. Tests put a disk underneath that forgets, tears,
/// fills up and fails. Paths are absolute or relative to the working directory, with `/` between their parts.
///
/// Every call may block, except `File.readNoWait`.
package protocol FileSystem: Sendable {
    func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File
    /// The names in a directory, in no order, without `.` and `..`.
    func list(_ directory: String) throws(FileError) -> [String]
    /// Creates a directory unless it exists; its parent must exist. Durable after `syncDirectory` of its parent.
    /// - Returns: true when the directory was created.
    @discardableResult
    func createDirectory(_ path: String) throws(FileError) -> Bool
    /// Renames a file, and replaces what is at `target`. Durable after `syncDirectory`.
    func rename(_ path: String, to target: String) throws(FileError)
    /// Removes a file. Durable after `syncDirectory`.
    func unlink(_ path: String) throws(FileError)
    /// Makes the names in a directory durable.
    func syncDirectory(_ path: String) throws(FileError)
    /// Takes an exclusive lock on a file, which is created if needed; nil when another process holds it. The lock is
    /// released when the object is deinitialized or the process ends.
    func lock(_ path: String) throws(FileError) -> (any FileLock)?
    func space(_ directory: String) throws(FileError) -> VolumeSpace
}

package enum OpenMode: Sendable {
    case read
    case readWrite
    /// Opens a file for reading and writing that must not exist yet.
    case create
}

/// An open file. It is closed when the last reference goes.
package protocol File: AnyObject, Sendable {
    /// The size in bytes.
    func size() throws(FileError) -> UInt64
    /// Reads until the buffer is full or the file ends, and returns the number of bytes read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int
    /// Fills the buffer from memory, or returns false at once when that is not possible. Never blocks.
    func readNoWait(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool
    /// Writes the whole buffer.
    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError)
    /// Makes the file's bytes and size durable, but not its name.
    func sync() throws(FileError)
    /// Reserves room up to `size`, which reads as zeros. It is a hint: errors are ignored.
    /// - Parameter written: whether to write the zeros rather than leave them to the file system, so that a later sync
    ///   of what replaces them writes nothing but data.
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
    /// True while the path still leads to the file that was locked; false once that was deleted, moved or replaced.
    /// Blocks.
    var isInPlace: Bool { get }
}

package struct VolumeSpace: Hashable, Sendable {
    /// The bytes that this process may still write.
    package var free: UInt64
    /// The bytes of the whole volume.
    package var total: UInt64

    package init(free: UInt64, total: UInt64) {
        self.free = free
        self.total = total
    }
}

/// A call to the file system that failed.
package struct FileError: Error, Hashable, Sendable {
    /// The name of the system call, as in its manual page.
    package var operation: String
    package var path: String
    /// `errno`.
    package var code: Int32
    /// The meaning of `code`, in words.
    package var reason: String

    package init(operation: String, path: String, code: Int32, reason: String) {
        self.operation = operation
        self.path = path
        self.code = code
        self.reason = reason
    }

    /// True when there was no room: the volume is full, or the user's quota.
    package var isOutOfSpace: Bool { code == ENOSPC || code == EDQUOT }

    /// True when a read failed because the disk cannot read the sector.
    var isUnreadable: Bool { code == EIO }
}

extension FileError: CustomStringConvertible {
    package var description: String { "\(operation) \(path): \(reason) (errno \(code))" }
}
