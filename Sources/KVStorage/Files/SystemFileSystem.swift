import CLinux
import Glibc

/// The operating system's files.
package struct SystemFileSystem: FileSystem {
    package init() {}

    package func open(_ path: String, _ mode: OpenMode) throws(FileError) -> any File {
        try SystemFile(path, mode)
    }

    package func list(_ directory: String) throws(FileError) -> [String] {
        guard let stream = opendir(directory) else { throw FileError(errno: errno, "opendir", directory) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        if errno != 0 { throw FileError(errno: errno, "readdir", directory) }
        return names
    }

    @discardableResult
    package func createDirectory(_ path: String) throws(FileError) -> Bool {
        if mkdir(path, 0o750) == 0 { return true }
        guard errno == EEXIST else { throw FileError(errno: errno, "mkdir", path) }
        return false
    }

    package func rename(_ path: String, to target: String) throws(FileError) {
        if Glibc.rename(path, target) != 0 { throw FileError(errno: errno, "rename", path) }
    }

    package func unlink(_ path: String) throws(FileError) {
        if Glibc.unlink(path) != 0 { throw FileError(errno: errno, "unlink", path) }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0 { throw FileError(errno: errno, "open", path) }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw FileError(errno: errno, "fsync", path) }
    }

    package func lock(_ path: String) throws(FileError) -> (any FileLock)? {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        if descriptor < 0 { throw FileError(errno: errno, "open", path) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            let code = errno
            close(descriptor)
            if code == EWOULDBLOCK { return nil }
            throw FileError(errno: code, "flock", path)
        }
        return SystemFileLock(descriptor: descriptor, path: path)
    }

    package func space(_ directory: String) throws(FileError) -> VolumeSpace {
        var result = statvfs()
        if statvfs(directory, &result) != 0 { throw FileError(errno: errno, "statvfs", directory) }
        let block = UInt64(result.f_frsize)
        return VolumeSpace(
            free: UInt64(result.f_bavail).multipliedReportingOverflow(by: block).partialValue,
            total: UInt64(result.f_blocks).multipliedReportingOverflow(by: block).partialValue
        )
    }
}

private final class SystemFileLock: FileLock {
    let descriptor: Int32
    let path: String

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    var isInPlace: Bool {
        var (locked, found) = (stat(), stat())
        guard fstat(descriptor, &locked) == 0 else { return true }
        // Any other error says nothing about the file.
        guard stat(path, &found) == 0 else { return errno != ENOENT && errno != ENOTDIR }
        return locked.st_dev == found.st_dev && locked.st_ino == found.st_ino
    }
}

extension FileError {
    init(errno code: Int32, _ operation: String, _ path: String) {
        self.init(operation: operation, path: path, code: code, reason: String(cString: strerror(code)))
    }
}
