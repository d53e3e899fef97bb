import CLinux
import Glibc
import NIOCore
import NIOPosix

/// Gives memory that the C library keeps after it was freed back to the system: what thousands of connections took, or
/// a burst of large values.
///
/// The library gives back only what lies at the end of its heaps, and keeps the rest for what comes. It gives back all
/// when it is told to, but other threads that allocate may wait meanwhile: 0.25 ms for each megabyte. So that happens
/// only while the process is quiet. (The indexes of keys have memory of their own: `SlabPool`.)
struct MemoryWatch {
    static let interval = TimeAmount.seconds(10)

    private let task: RepeatedTask

    /// - Parameters:
    ///   - pool: runs the checks, since they may block; at most one is under way.
    ///   - looked: called on the loop after each check.
    init(
        loop: any EventLoop, pool: NIOThreadPool, interval: TimeAmount = Self.interval,
        looked: @escaping @Sendable () -> Void = {}
    ) {
        let policy = NIOLoopBoundBox.makeBoxSendingValue(TrimPolicy(), as: TrimPolicy.self, eventLoop: loop)
        task = loop.scheduleRepeatedAsyncTask(initialDelay: interval, delay: interval) { _ in
            let before = policy.value
            return pool.runIfActive(eventLoop: loop) { before.checked() }.map {
                policy.value = $0
                looked()
            }.recover { _ in }
        }
    }

    func stop() { task.cancel() }
}

/// When memory is given back. Bytes, and nanoseconds of processor time.
struct TrimPolicy: Sendable {
    /// What may be kept.
    static let kept = 16 << 20
    /// The processor time in an interval up to which the process is quiet: 5 % of a processor.
    static let quiet: UInt64 = 500_000_000

    /// What the C library keeps, and what the process has in memory.
    struct Sizes: Equatable, Sendable {
        var free: Int
        var resident: Int
    }

    private var processorTime: UInt64?
    /// The smallest sizes since memory was last given back. What was given back counts as free all the same.
    private var least = Sizes(free: 0, resident: 0)

    /// Takes the processor time that the process has used so far. Returns true if it has been quiet since the last
    /// call.
    mutating func isQuiet(_ now: UInt64) -> Bool {
        defer { processorTime = now }
        return processorTime.map { now >= $0 && now - $0 <= Self.quiet } ?? false
    }

    /// Returns true if so much is kept that it should be given back. Call `gaveBack` then.
    mutating func shouldGiveBack(_ sizes: Sizes) -> Bool {
        least.free = min(least.free, sizes.free)
        least.resident = min(least.resident, sizes.resident)
        guard sizes.free >= Self.kept else { return false }
        return sizes.free >= least.free + Self.kept || sizes.resident >= least.resident + Self.kept
    }

    mutating func gaveBack(_ sizes: Sizes) { least = sizes }

    /// Looks, and gives memory back if that is due. Blocks.
    func checked() -> TrimPolicy {
        var next = self
        guard next.isQuiet(nanoseconds(of: CLOCK_PROCESS_CPUTIME_ID)) else { return next }
        if next.shouldGiveBack(.now) {
            kv_give_back_free_bytes()
            next.gaveBack(.now)
        }
        return next
    }

    private func nanoseconds(of clock: clockid_t) -> UInt64 {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return 0 }
        return UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(max(time.tv_nsec, 0))
    }
}

extension TrimPolicy.Sizes {
    static var now: Self { Self(free: Int(kv_free_bytes()), resident: ProcessMemory.resident) }
}
