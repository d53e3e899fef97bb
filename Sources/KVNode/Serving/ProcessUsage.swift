import Glibc
import KVAPI
import KVCore

extension NodeUsage {
    /// The resources that this process uses, and the keys that it holds.
    init(holding keys: PartitionUsage, disk: DiskHealth = DiskHealth()) {
        var used = rusage()
        let isKnown = getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &used) == 0
        self.init(
            keys: keys, disk: disk, memory: ProcessMemory.resident,
            userTime: isKnown ? Nanoseconds(used.ru_utime) : .zero,
            systemTime: isKnown ? Nanoseconds(used.ru_stime) : .zero)
    }

}

enum ProcessMemory {
    /// The resident memory in bytes, from the second number of /proc/self/statm, which is in pages; 0 if it cannot be
    /// read.
    static var resident: Int {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return 0 }
        let fields = buffer[..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

extension Nanoseconds {
    fileprivate init(_ time: timeval) {
        self.init(nanoseconds: UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_usec, 0)) * 1000)
    }
}
