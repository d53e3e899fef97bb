import KVCore
import Logging

/// Decides when to report that the machine's clock is far from the others'.
struct ClockReport {
    /// The time that a difference must last before it is reported: a peer's message with its time may have been
    /// delayed.
    private static let patience = Nanoseconds.milliseconds(5000)

    private var since: Instant?
    private var isSaid = false

    enum News: Equatable {
        case differs(ClockDisagreement)
        case agrees
    }

    /// Returns what to report, if anything. Call it about once a second.
    mutating func review(_ disagreement: ClockDisagreement?, now: Instant) -> News? {
        guard let disagreement else {
            defer { (since, isSaid) = (nil, false) }
            return isSaid ? .agrees : nil
        }
        let began = since ?? now
        since = began
        guard !isSaid, now - began >= Self.patience else { return nil }
        isSaid = true
        return .differs(disagreement)
    }
}

// The first shard's runner keeps the node's time.
extension ShardRunner {
    /// Reports a difference between the machine's clock and the other nodes'. To be called about once a second.
    func reviewClock(_ now: Instant) {
        switch clockReport.review(clock.disagreement, now: now) {
        case nil: break
        case .agrees:
            logger.notice("this machine's clock agrees with those of the other nodes again")
            status.set(warning: nil, of: "the clock")
        case .differs(let disagreement):
            let warning = advice(on: disagreement)
            logger.warning("\(warning)")
            status.set(warning: warning, of: "the clock")
        }
    }

    private func advice(on disagreement: ClockDisagreement) -> String {
        let seconds = (disagreement.milliseconds.magnitude + 500) / 1000
        let peers = disagreement.peers.map { name(of: $0) }.joined(separator: ", ")
        let limit = WallClock.limit.milliseconds / 1000
        let isAhead = disagreement.milliseconds > 0
        return """
            this machine's clock is \(seconds) s \(isAhead ? "ahead of" : "behind") what a majority of the nodes' clocks \
            show (it differs from that of \(peers)): keys expire by theirs, and where this node leads up to \(limit) s \
            too \(isAhead ? "early" : "late"); set the clock that is wrong, and keep all of them by NTP
            """
    }
}
