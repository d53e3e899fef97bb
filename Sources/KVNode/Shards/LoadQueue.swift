import KVCore
import NIOCore

/// Bounds what a shard reads from its disk at a time. A value that has been read stays in memory until the event loop
/// has processed it, and the loop may be slower than the disk.
struct LoadQueue {
    /// The most bytes that are read at a time; one record is always read.
    private let limit: Int
    private(set) var bytes = 0
    private var waiting = CircularBuffer<ReadTicket>()
    private var waitingBytes = 0
    /// Bytes of values that will be requested at the end of this turn.
    private var expected = 0

    init(limit: Int = 32 << 20) { self.limit = limit }

    /// Queues reads.
    ///
    /// - Returns: the reads to begin now; `ended` returns the others later.
    mutating func admit(_ tickets: [ReadTicket]) -> [ReadTicket] {
        waiting.append(contentsOf: tickets)
        waitingBytes += tickets.reduce(0) { $0 + $1.bytes }
        return takeNext()
    }

    /// True when a value may be read that is larger than its request allows for. Otherwise one client's values would be
    /// read for a long time, only to be dropped, while others wait for theirs.
    mutating func mayExpect(_ bytes: Int) -> Bool {
        guard self.bytes + waitingBytes + expected + bytes <= limit else { return false }
        expected += bytes
        return true
    }

    /// Forgets the expected bytes: their reads are queued now.
    mutating func endTurn() { expected = 0 }

    /// Notes that this many bytes have been read and processed.
    ///
    /// - Returns: the reads to begin now.
    mutating func ended(_ bytes: Int) -> [ReadTicket] {
        self.bytes -= bytes
        return takeNext()
    }

    private mutating func takeNext() -> [ReadTicket] {
        var next: [ReadTicket] = []
        while let ticket = waiting.first, bytes == 0 || bytes + ticket.bytes <= limit {
            next.append(ticket)
            bytes += ticket.bytes
            waitingBytes -= ticket.bytes
            waiting.removeFirst()
        }
        return next
    }
}
