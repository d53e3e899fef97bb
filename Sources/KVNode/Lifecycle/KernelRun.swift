import Glibc

/// One run of the machine's kernel, from its start to its end. What a process has written and not synced survives the
/// end of the process, but not the end of the run.
struct KernelRun: Sendable {
    /// The random number that Linux gives each run; `unknown` if it cannot be read.
    let id: String

    static let unknown = "unknown"
    static let present = KernelRun(id: read() ?? unknown)

    /// True when another run may have begun since the one called `before`, and when that is unknown.
    func mayHaveLostPower(since before: String) -> Bool { id == Self.unknown || before != id }

    private static func read() -> String? {
        let file = Glibc.open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = bytes.prefix(count).prefix { $0 > UInt8(ascii: " ") && $0 < 0x7f }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}
