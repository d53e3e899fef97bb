import NIOCore

/// The clock that latencies are taken by.
enum Clock {
    /// Nanoseconds; monotonic.
    static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }
}
