import KVCore
import NIOCore

/// What a shard reads from its disk at a time. A value that has been read is in memory until the event loop has taken
/// it in, and the loop may be slower than the disk.
struct LoadQueue {
    /// Bytes that are read at a time; one record is always read.
    private let limit: Int
    private(set) var bytes = 0
    private var waiting = CircularBuffer<ReadTicket>()
    private var waitingBytes = 0
    /// Of values that will be asked for at the end of this turn.
    private var expected = 0

    init(limit: Int = 32 << 20) { self.limit = limit }

    /// Takes in what is to be read.
    ///
    /// - Returns: what is to be read now; the rest comes out of `ended`.
    mutating func admit(_ tickets: [ReadTicket]) -> [ReadTicket] {
        waiting.append(contentsOf: tickets)
        waitingBytes += tickets.reduce(0) { $0 + $1.bytes }
        return takeNext()
    }

    /// Whether a value may be asked for whose size nobody has counted with: otherwise one client's would be read for
    /// long, to be dropped, while others wait for theirs.
    mutating func mayExpect(_ bytes: Int) -> Bool {
        guard self.bytes + waitingBytes + expected + bytes <= limit else { return false }
        expected += bytes
        return true
    }

    /// What was expected has been asked for.
    mutating func endTurn() { expected = 0 }

    /// So many bytes are read and taken in.
    ///
    /// - Returns: what is to be read now.
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
