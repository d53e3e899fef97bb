import CLinux
import Glibc

/// A file by its descriptor. All reads and writes name their offset, so threads can share it.
final class SystemFile: File {
    let path: String
    private let descriptor: Int32

    init(_ path: String, _ mode: OpenMode) throws(FileError) {
        self.path = path
        let flags =
            switch mode {
            case .read: O_RDONLY
            case .readWrite: O_RDWR
            case .create: O_RDWR | O_CREAT | O_EXCL
            }
        descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o640)
        if descriptor < 0 { throw FileError(errno: errno, "open", path) }
    }

    deinit { close(descriptor) }

    func size() throws(FileError) -> UInt64 {
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw FileError(errno: errno, "fstat", path) }
        return UInt64(clamping: status.st_size)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, off_t(clamping: offset + UInt64(done)))
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(errno: errno, "pread", path)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func readNoWait(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) -> Bool {
        kv_pread_nowait(descriptor, buffer.baseAddress, buffer.count, offset) == buffer.count
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
        guard let base = buffer.baseAddress else { return }
        var done = 0
        while done < buffer.count {
            let count = pwrite(descriptor, base + done, buffer.count - done, off_t(clamping: offset + UInt64(done)))
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(errno: errno, "pwrite", path)
            }
            if count == 0 { throw FileError(errno: EIO, "pwrite", path) }
            done += count
        }
    }

    func sync() throws(FileError) {
        if fdatasync(descriptor) != 0 { throw FileError(errno: errno, "fdatasync", path) }
    }

    func preallocate(to size: UInt64, written: Bool) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return }
        var place = UInt64(clamping: status.st_size)
        guard size > place, kv_fallocate(descriptor, place, size - place) == 0, written else { return }
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
        defer { zeros.deallocate() }
        _ = zeros.initializeMemory(as: UInt8.self, repeating: 0)
        while place < size {
            let part = min(UInt64(zeros.count), size - place)
            guard (try? write(UnsafeRawBufferPointer(rebasing: zeros[..<Int(part)]), at: place)) != nil else { return }
            place += part
        }
    }

    func truncate(to size: UInt64) throws(FileError) {
        while ftruncate(descriptor, off_t(clamping: size)) != 0 {
            if errno != EINTR { throw FileError(errno: errno, "ftruncate", path) }
        }
    }
}
