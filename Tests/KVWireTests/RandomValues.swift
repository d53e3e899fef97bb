import KVCore
import KVWire

/// Vigna's SplitMix64: the same values on every run of a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Of every magnitude alike, so that varints of every length occur.
    mutating func number() -> UInt64 { next() >> UInt64.random(in: 0...63, using: &self) }
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func flip() -> Bool { Bool.random(using: &self) }
    mutating func bytes(_ limit: Int = 40) -> [UInt8] {
        (0..<below(limit)).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
    mutating func text(_ limit: Int = 12) -> String {
        let letters = ["a", "z", "0", "/", "é", "漢", "🔑", " "]
        return (0..<below(limit)).map { _ in letters[below(letters.count)] }.joined()
    }

    mutating func key() -> Key { Key(bytes()) }
    mutating func partition() -> PartitionID { PartitionID(UInt16(below(16385))) }
    mutating func ballot() -> Ballot { Ballot(raw: number()) }
    mutating func version() -> Version { Version(ballot: ballot(), sequence: number()) }
    mutating func digest() -> Digest { Digest(high: next(), low: next()) }
    mutating func uuid() -> UUID128 { UUID128(high: next(), low: next()) }
    mutating func node() -> NodeNumber { NodeNumber(UInt16(truncatingIfNeeded: number())) }
    mutating func header() -> PartitionHeader {
        PartitionHeader(partition: partition(), epoch: number(), ballot: ballot())
    }
    mutating func record() -> Record {
        Record(
            version: version(), expiry: flip() ? .never : Expiry(milliseconds: number()),
            value: flip() ? nil : bytes(300), contentType: flip() ? "" : text())
    }

    mutating func condition() -> Condition {
        switch below(4) {
        case 0: .always
        case 1: .ifVersion(version())
        case 2: .ifAbsent
        default: .ifPresent
        }
    }

    mutating func lifetime() -> Lifetime {
        switch below(3) {
        case 0: .unlimited
        case 1: .milliseconds(number())
        default: .until(number())
        }
    }

    mutating func command() -> Command {
        switch below(6) {
        case 0: .get
        case 4: .count
        case 5: .update(update())
        case 1: .put(Put(value: bytes(300), contentType: text(), lifetime: lifetime(), condition: condition()))
        case 2: .delete(condition())
        default: .list(ListQuery(prefix: bytes(), after: flip() ? nil : key(), limit: 1 + below(1000)))
        }
    }

    mutating func update() -> Update {
        Update(
            change(), requirement: requirement(), lifetime: flip() ? .keep : .set(lifetime()), returnsPrevious: flip(),
            maximumLength: below(FrameLimits.payload + 1))
    }

    private mutating func change() -> Update.Change {
        switch below(7) {
        case 0: .set(bytes(300), contentType: text())
        case 1: .remove
        case 2: .keep
        case 3: .append(bytes(300))
        case 4: .overwrite(offset: Int(number() >> 1), bytes(300))
        case 5: .add(Int64(bitPattern: next()))
        default: .addNumber(bytes())
        }
    }

    private mutating func requirement() -> Update.Requirement {
        switch below(9) {
        case 0: .always
        case 1: .absent
        case 2: .present
        case 3: .equals(bytes(300))
        case 4: .lasting
        case 5: .expiring
        case 6: .laterExpiry
        case 7: .earlierExpiry
        default: .expiringAndEarlier
        }
    }

    private mutating func updateResult() -> UpdateResult {
        switch below(3) {
        case 0: .applied(updateValue())
        case 1: .notApplied(updateValue())
        default: .misfit(Misfit.allCases[below(Misfit.allCases.count)])
        }
    }

    private mutating func updateValue() -> UpdateValue {
        switch below(3) {
        case 0: .none
        case 1: .bytes(bytes(300))
        default: .integer(Int64(bitPattern: next()))
        }
    }

    mutating func outcome() -> Outcome {
        switch below(9) {
        case 7: .updated(flip() ? nil : version(), updateResult())
        case 8: .counted(Int(number() >> 1))
        case 0: .found(record())
        case 1: .absent
        case 2: .written(version())
        case 3: .conditionFailed(flip() ? nil : version())
        case 4: .listed(keys: (0..<below(5)).map { _ in key() }, more: flip())
        case 5: .refused(Refusal.allCases[below(Refusal.allCases.count)])
        default: .unknown(Uncertainty.allCases[below(Uncertainty.allCases.count)])
        }
    }

    /// One of each type of message.
    mutating func messages() -> [PeerMessage] {
        [
            .replica(header(), .prepare),
            .replica(header(), .promise(root: digest(), contents: next(), floor: version())),
            .replica(header(), .reject),
            .replica(header(), .accept(key: key(), record: record())),
            .replica(header(), .accepted(version: version())),
            .replica(header(), .confirm(round: number())),
            .replica(
                header(),
                .confirmed(round: number(), mark: flip() ? nil : PromiseMark(boot: number(), taken: number()))),
            .replica(header(), .prepareAfter(released: ballot())),
            .shards(.supportWanted(SupportQuestion(asked: Instant(nanoseconds: number()), boot: number()))),
            .shards(
                .support(
                    SupportAnswer(
                        question: SupportQuestion(asked: Instant(nanoseconds: number()), boot: number()),
                        boot: number(), taken: (0...below(20)).map { _ in number() }))),
            .replica(header(), .read(id: number(), key: key())),
            .replica(header(), .readResult(id: number(), key: key(), record: flip() ? nil : record())),
            .replica(header(), .leaves(floor: version())),
            .replica(
                header(),
                .leavesResult(
                    floor: version(), leaves: (0..<HashTree.leafCount).map { $0 % 3 == 0 ? digest() : Digest() },
                    contents: (0..<HashTree.leafCount).map { $0 % 3 == 0 ? next() : 0 })),
            .replica(header(), .entries(leaf: UInt16(below(256)))),
            .replica(
                header(),
                .entriesResult(
                    leaf: UInt16(below(256)),
                    entries: (0..<below(20)).map { _ in
                        KeyVersion(key: key(), version: version(), checksum: UInt32(truncatingIfNeeded: next()))
                    })),
            .shards(
                .leaderHeartbeat(
                    epoch: number(), (0..<below(20)).map { _ in Leadership(partition: partition(), ballot: ballot()) })),
            .shards(
                .leaderships(
                    epoch: number(),
                    LeadershipUpdate(
                        shard: UInt16(below(LeadershipUpdate.maximumShards)), base: number(), version: number(),
                        begun: (0..<below(20)).map { _ in Leadership(partition: partition(), ballot: ballot()) },
                        ended: (0..<below(20)).map { _ in partition() }, isAttending: flip(),
                        others: (0..<below(20)).map { _ in
                            .init(shard: UInt16(below(LeadershipUpdate.maximumShards)), version: number())
                        }))),
            .node(.doubt(node())),
            .shards(.leadershipsWanted(shard: UInt16(below(LeadershipUpdate.maximumShards)))),
            .replica(header(), .transfer),
            .request(
                RequestHeader(RequestID(next()), epoch: number(), partition: partition(), key: key()),
                .forward(timeout: Nanoseconds(nanoseconds: number()), command: command())),
            .request(
                RequestHeader(RequestID(next()), epoch: number(), partition: partition(), key: key()),
                .relay(timeout: Nanoseconds(nanoseconds: number()), command: command())),
            .reply(
                RequestID(next()), .forwarded(flip() ? .notLeader(hint: flip() ? nil : node()) : .outcome(outcome()))),
            .request(
                RequestHeader(RequestID(next()), epoch: number(), partition: partition(), key: key()), .quorumRead),
            .reply(RequestID(next()), .quorumReadReply(flip() ? nil : record())),
            .shards(.outdated(epoch: number())),
            .node(.progress(shard: UInt16(truncatingIfNeeded: number()), batch: number())),
            .node(
                .usageReport(
                    PartitionUsage(keys: Int(number() >> 1), tombstones: Int(number() >> 1), bytes: Int(number() >> 1)))
            ),
            .node(.clock(wall: number())),
            .replica(header(), .preVote),
            .replica(header(), .preVoteResult(granted: flip(), promised: ballot())),
            .replica(header(), .purge(floor: version())),
            .replica(header(), .abstain), .replica(header(), .consult),
            .replica(header(), .complete), .replica(header(), .completed),
            .replica(header(), .dropReplica),
            .replica(header(), .replicaDropped),
            .node(.cluster(.topologyWanted(above: number()))),
            .node(.cluster(.topology(topology()))),
            .node(.cluster(.topologyChanges((0..<below(4)).map { _ in topologyChange() }))),
            .node(.cluster(.report(report()))),
            .node(.cluster(.prepared(partitions: below(16385)))),
            .node(.cluster(.announce(pendingNode()))),
            .node(.cluster(.control(RequestID(next()), controlRequest()))),
            .node(.cluster(.controlReply(RequestID(next()), controlReply()))),
        ]
    }

    mutating func introduction() -> Introduction {
        Introduction(
            clusterID: uuid(), clusterName: text(), node: node(), nodeID: text(), store: uuid(), boot: number(),
            epoch: number(),
            agreement: (0..<below(10)).map { _ in AgreementLine(path: text(), value: text()) },
            starts: (0..<below(4)).map { _ in ProcessStart(boot: number(), nonce: next()) },
            progress: (0..<below(4)).map { _ in number() }, wall: number()
        ).spoken(flip() ? 3 : 4)
    }

    mutating func handshake() -> Handshake {
        switch below(3) {
        case 0:
            let count = 1 + below(ShardPosition.maximumCount)
            return .hello(introduction(), shard: ShardPosition(index: below(count), count: count))
        case 1: return .welcome(introduction())
        default:
            let codes = HandshakeRefusal.Code.allCases
            return .refusal(HandshakeRefusal(codes[below(codes.count)], text()))
        }
    }
}
