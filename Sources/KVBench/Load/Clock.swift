import NIOCore

/// The clock by which latencies are measured.
enum Clock {
    /// Monotonic time in nanoseconds.
    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }
}
