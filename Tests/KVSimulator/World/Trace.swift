import KVCore

/// A digest of the events of a run, by which runs are compared. On request, also the events as lines of text.
final class Trace {
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    private let sink: ((String) -> Void)?

    init(sink: ((String) -> Void)?) { self.sink = sink }

    /// Adds numbers to the digest.
    func fold(_ values: UInt64...) {
        for value in values {
            digest = (digest ^ value) &* 0x9e37_79b9_7f4a_7c15
            digest ^= digest >> 29
        }
    }

    /// Writes an event as text, if that was asked for.
    func line(_ time: UInt64, _ text: @autoclosure () -> String) {
        if let sink { sink("\(milliseconds(time)) \(text().split(separator: "KVCore.").joined())") }
    }
}

extension PeerMessage {
    /// True if the network delivers the message at most once.
    var isAtMostOnce: Bool {
        switch self {
        case .request(_, .forward), .request(_, .relay), .reply(_, .forwarded): true
        case .request(_, .quorumRead), .reply(_, .quorumReadReply), .replica, .shards, .node: false
        }
    }

    /// A number made of the parts of the message by which runs are most likely to differ.
    var fingerprint: UInt64 {
        switch self {
        case .replica(let header, .prepare), .replica(let header, .prepareAfter): header.ballot.raw &* 3
        case .replica(let header, .promise(let root, _, _)): header.ballot.raw &* 5 ^ root.low
        case .replica(let header, .accept(let key, let record)):
            header.ballot.raw &* 7 ^ record.version.sequence << 40 ^ record.version.ballot.raw ^ KeyHash(key).low
        case .replica(let header, .accepted(let version)): header.ballot.raw &* 11 ^ version.sequence << 40
        case .replica(let header, .confirm(let round)): header.ballot.raw &* 13 ^ round << 40
        case .replica(let header, .confirmed(let round, _)): header.ballot.raw &* 17 ^ round << 40
        case .request(let header, .forward): UInt64(header.partition.raw) &* 19
        case .request(let header, .relay): UInt64(header.partition.raw) &* 43
        case .reply(_, .forwarded): 23
        case .shards(.leaderHeartbeat(_, let leaderships)): UInt64(leaderships.count) &* 29
        case .shards(.leaderships(_, let update)): UInt64(update.begun.count &+ update.ended.count) &* 47
        case .replica(let header, .purge(let floor)): header.ballot.raw &* 37 ^ floor.sequence
        case .node(.cluster(.topology(let topology))): topology.epoch &* 41
        case .node(.cluster(.topologyChanges(let changes))): (changes.last?.epoch ?? 0) &* 47
        default: 31
        }
    }
}
