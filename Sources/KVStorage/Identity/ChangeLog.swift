import CChecksum
import Synchronization

/// What has changed since the topology in the identity file: a small log beside that file. A change is durable when it
/// has been appended here, without the whole topology being written again.
///
/// Each append is one record with a checksum, and is synced before the next begins. So a crash can leave only the last
/// record torn, and nobody has acted on that one. A record that is damaged in front of a good one is no crash's work.
///
/// When the whole topology is written to the identity file, the log is cleared after that. If the process ends in
/// between, the records are still here, and are of earlier epochs than the whole: whoever reads them passes them over.
package final class ChangeLog: Sendable {
    package static let name = "topology.log"
    package static let format: UInt32 = 1
    private static let temporaryName = name + ".new"
    private static let magic = Array("kv-topol".utf8)
    /// Magic, format, checksum of both.
    private static let headerSize = 16
    /// Length of the payload, checksum of the payload.
    private static let recordHeaderSize = 8
    /// More than a log gets by any number of changes between two whole topologies.
    private static let maximumSize = 64 << 20

    package let path: String
    private let directory: String
    private let fileSystem: any FileSystem
    private let state: Mutex<State>

    private struct State {
        /// Nil before the first append to a directory that has no log yet.
        var file: (any File)?
        /// Where the next record goes: the end of the last good one.
        var end: UInt64
    }

    /// Opens a directory's log for appending. The directory is locked. Blocks.
    /// - Throws: `damaged`, `newerFormat`, and errors of the file system
    package init(directory: String, fileSystem: any FileSystem = SystemFileSystem()) throws(StoreError) {
        self.directory = directory
        self.fileSystem = fileSystem
        let path = "\(directory)/\(Self.name)"
        self.path = path
        let found = try Self.contents(directory, fileSystem)
        let file = try storing { () throws(FileError) -> (any File)? in
            guard let found else { return nil }
            let file = try fileSystem.open(path, .readWrite)
            // What is left of a torn record must not come to stand behind a good one.
            if found.size > found.end { try file.truncate(to: found.end) }
            return file
        }
        state = Mutex(State(file: file, end: found?.end ?? UInt64(Self.headerSize)))
    }

    /// The bytes of the records.
    package var byteCount: Int { state.withLock { Int($0.end) } - Self.headerSize }

    /// Makes the log, without records, if there is none yet; durable when this returns. Blocks.
    package func create() throws(StoreError) {
        try storing { () throws(FileError) in
            let error = state.withLock { state -> FileError? in
                guard state.file == nil else { return nil }
                do throws(FileError) {
                    state.file = try makeFile()
                    return nil
                } catch {
                    return error
                }
            }
            if let error { throw error }
        }
    }

    /// Appends a record; durable when this returns. Blocks. After an error the log must not be used any more.
    package func append(_ payload: [UInt8]) throws(StoreError) {
        assert(!payload.isEmpty, "a record has something in it")
        try storing { () throws(FileError) in
            let error = state.withLock { state -> FileError? in
                do throws(FileError) {
                    if state.file == nil { state.file = try makeFile() }
                    guard let file = state.file else { return nil }
                    var record = Self.bytes(UInt32(payload.count)) + Self.bytes(Self.checksum(payload[...]))
                    record += payload
                    try file.write(record, at: state.end)
                    try file.sync()
                    state.end += UInt64(record.count)
                    return nil
                } catch {
                    return error
                }
            }
            if let error { throw error }
        }
    }

    /// Forgets all records: what they say is in the identity file. Blocks.
    package func clear() throws(StoreError) {
        try storing { () throws(FileError) in
            let error = state.withLock { state -> FileError? in
                guard let file = state.file, state.end > Self.headerSize else { return nil }
                do throws(FileError) {
                    // The next append's sync makes this durable with it.
                    try file.truncate(to: UInt64(Self.headerSize))
                    state.end = UInt64(Self.headerSize)
                    return nil
                } catch {
                    return error
                }
            }
            if let error { throw error }
        }
    }

    /// Makes a log without records. It gets its name when its header is on disk.
    private func makeFile() throws(FileError) -> any File {
        let temporary = "\(directory)/\(Self.temporaryName)"
        if try fileSystem.list(directory).contains(Self.temporaryName) { try fileSystem.unlink(temporary) }
        let file = try fileSystem.open(temporary, .create)
        var header = Self.magic + Self.bytes(Self.format)
        header += Self.bytes(Self.checksum(header[...]))
        try file.write(header, at: 0)
        try file.sync()
        try fileSystem.rename(temporary, to: path)
        try fileSystem.syncDirectory(directory)
        return file
    }

    // MARK: Reading

    /// The records of a directory's log, in their order; nil where there is no log. Unless the caller holds the
    /// directory's lock, another process may be writing to it. Blocks.
    /// - Throws: `damaged`, `newerFormat`, and errors of the file system
    package static func records(
        in directory: String, fileSystem: any FileSystem = SystemFileSystem()
    ) throws(StoreError) -> [[UInt8]]? {
        try contents(directory, fileSystem)?.records
    }

    private struct Contents {
        var records: [[UInt8]] = []
        /// The end of the last good record.
        var end: UInt64
        var size: UInt64
    }

    private static func contents(
        _ directory: String, _ fileSystem: any FileSystem
    ) throws(StoreError) -> Contents? {
        let path = "\(directory)/\(name)"
        let bytes = try storing { () throws(FileError) -> [UInt8]? in
            guard try fileSystem.list(directory).contains(name) else { return nil }
            let file = try fileSystem.open(path, .read)
            let size = Int(min(try file.size(), UInt64(maximumSize)))
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(size, 1), alignment: 8)
            defer { buffer.deallocate() }
            let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<size]), at: 0)
            return Array(buffer[..<count])
        }
        guard let bytes else { return nil }
        guard bytes.count >= headerSize, bytes.starts(with: magic) else {
            throw .damaged(file: path, offset: 0, detail: "it does not begin as a log of the topology")
        }
        let found = number(bytes, magic.count)
        guard found <= format else { throw .newerFormat(file: path, found: found, supported: format) }
        guard found == format, number(bytes, magic.count + 4) == checksum(bytes[..<(magic.count + 4)]) else {
            throw .damaged(file: path, offset: 8, detail: "its header's checksum does not match")
        }
        var contents = Contents(end: UInt64(headerSize), size: UInt64(bytes.count))
        var offset = headerSize
        while let payload = record(bytes, at: offset) {
            contents.records.append(Array(payload))
            offset = payload.endIndex
        }
        contents.end = UInt64(offset)
        // The torn record is the last: nothing was appended behind a record that was not whole.
        if (offset..<bytes.count).dropFirst().contains(where: { record(bytes, at: $0) != nil }) {
            throw .damaged(file: path, offset: UInt64(offset), detail: "a record in front of a good one is damaged")
        }
        return contents
    }

    /// The payload of the record at an offset; nil where no whole one is.
    private static func record(_ bytes: [UInt8], at offset: Int) -> ArraySlice<UInt8>? {
        let start = offset + recordHeaderSize
        guard start < bytes.count else { return nil }
        let count = Int(number(bytes, offset))
        guard count > 0, count <= bytes.count - start else { return nil }
        let payload = bytes[start..<start + count]
        return number(bytes, offset + 4) == checksum(payload) ? payload : nil
    }

    private static func bytes(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { kv_crc32c(0, $0.baseAddress, $0.count) }
    }
}
