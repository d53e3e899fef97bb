import KVCore

/// A digest of everything that happened, to compare runs by; and, where asked for, what happened in words.
final class Trace {
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    private let sink: ((String) -> Void)?

    init(sink: ((String) -> Void)?) { self.sink = sink }

    func fold(_ values: UInt64...) {
        for value in values {
            digest = (digest ^ value) &* 0x9e37_79b9_7f4a_7c15
            digest ^= digest >> 29
        }
    }

    func line(_ time: UInt64, _ text: @autoclosure () -> String) {
        if let sink { sink("\(milliseconds(time)) \(text().split(separator: "KVCore.").joined())") }
    }
}

extension PeerMessage {
    /// Delivered at most once by the links.
    var isAtMostOnce: Bool {
        switch self {
        case .request(_, .forward), .request(_, .relay), .reply(_, .forwarded): true
        case .request(_, .quorumRead), .reply(_, .quorumReadReply), .replica, .shards, .node: false
        }
    }

    /// Enough of the message to tell runs apart.
    var fingerprint: UInt64 {
        switch self {
        case .replica(let header, .prepare): header.ballot.raw &* 3
        case .replica(let header, .promise(let root, _, _)): header.ballot.raw &* 5 ^ root.low
        case .replica(let header, .accept(let key, let record)):
            header.ballot.raw &* 7 ^ record.version.sequence << 40 ^ record.version.ballot.raw ^ KeyHash(key).low
        case .replica(let header, .accepted(let version)): header.ballot.raw &* 11 ^ version.sequence << 40
        case .replica(let header, .confirm(let round)): header.ballot.raw &* 13 ^ round << 40
        case .replica(let header, .confirmed(let round)): header.ballot.raw &* 17 ^ round << 40
        case .request(let header, .forward): UInt64(header.partition.raw) &* 19
        case .request(let header, .relay): UInt64(header.partition.raw) &* 43
        case .reply(_, .forwarded): 23
        case .shards(.leaderHeartbeat(_, let leaderships)): UInt64(leaderships.count) &* 29
        case .replica(let header, .purge(let floor)): header.ballot.raw &* 37 ^ floor.sequence
        case .node(.cluster(.topology(let topology))): topology.epoch &* 41
        default: 31
        }
    }
}
