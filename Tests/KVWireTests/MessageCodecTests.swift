import KVCore
import NIOCore
import XCTest

@testable import KVWire

final class MessageCodecTests: XCTestCase {
    func testEveryMessageComesBackAsItWas() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<200 {
            let messages = random.messages()
            var decoded: [PeerMessage] = []
            try FrameReader.decode(encode(messages), into: &decoded)
            XCTAssertEqual(decoded, messages)
        }
    }

    /// Keys and values of length 0, 1 and the limits, in every message that carries them to where they are kept.
    func testEveryLengthComesBackAsItWas() throws {
        let header = PartitionHeader(partition: PartitionID(7), epoch: 3, ballot: Ballot(raw: 9))
        let version = Version(ballot: header.ballot, sequence: 1)
        for keyLength in [0, 1, Key.maximumBytes - 1, Key.maximumBytes] {
            let key = Key([UInt8](repeating: 1, count: keyLength))
            for valueLength in [nil, 0, 1, 1 << 20] {
                let value = valueLength.map { [UInt8](repeating: 2, count: $0) }
                let record = Record(version: version, value: value)
                let messages: [PeerMessage] = [
                    .replica(header, .accept(key: key, record: record)), .replica(header, .read(id: 1, key: key)),
                    .replica(header, .readResult(id: 1, key: key, record: record)),
                    .request(
                        RequestHeader(RequestID(1), epoch: 3, partition: PartitionID(7), key: key),
                        .forward(timeout: .milliseconds(1), command: .put(Put(value: value ?? [])))),
                    .reply(RequestID(1), .forwarded(.outcome(.found(record)))),
                ]
                var decoded: [PeerMessage] = []
                try FrameReader.decode(encode(messages), into: &decoded)
                XCTAssertEqual(decoded, messages, "a key of \(keyLength) bytes, a value of \(valueLength ?? -1)")
            }
        }
    }

    func testEveryTypeIsAmongTheRandomMessages() throws {
        var random = SplitMix(seed: 2)
        let encodings = random.messages().map { Array(encode([$0]).readableBytesView) }
        XCTAssertEqual(Set(encodings.map { $0[0] }), Set(MessageType.allCases.map(\.rawValue)))
        let cluster = encodings.filter { $0[0] == MessageType.cluster.rawValue }
        XCTAssertEqual(Set(cluster.map { $0[1] }), Set(ClusterMessageType.allCases.map(\.rawValue)))
    }

    func testNoMessageIsLongerThanItsBound() {
        let header = PartitionHeader(partition: PartitionID(.max), epoch: .max, ballot: Ballot(raw: .max))
        let version = Version(ballot: Ballot(raw: .max), sequence: .max)
        let type = String(repeating: "x", count: Record.maximumContentType)
        let key = Key([UInt8](repeating: 1, count: 300))
        let record = Record(version: version, expiry: Expiry(milliseconds: .max), value: key.bytes, contentType: type)
        let put = Put(
            value: key.bytes, contentType: type, lifetime: .until(.max), condition: .ifVersion(version))
        let update = Update(
            .set(key.bytes, contentType: type), requirement: .equals(key.bytes), lifetime: .set(.until(.max)),
            returnsPrevious: true, maximumLength: .max)
        var overwrite = update
        overwrite.change = .overwrite(offset: .max, key.bytes)
        let longest: [PeerMessage] = [
            .request(
                RequestHeader(RequestID(.max), epoch: .max, partition: PartitionID(.max), key: key),
                .forward(timeout: Nanoseconds(nanoseconds: .max), command: .update(update))),
            .request(
                RequestHeader(RequestID(.max), epoch: .max, partition: PartitionID(.max), key: key),
                .forward(timeout: Nanoseconds(nanoseconds: .max), command: .update(overwrite))),
            .reply(RequestID(.max), .forwarded(.outcome(.updated(version, .applied(.bytes(key.bytes)))))),
            .reply(RequestID(.max), .forwarded(.outcome(.updated(version, .notApplied(.bytes(key.bytes)))))),
            .reply(RequestID(.max), .forwarded(.outcome(.updated(version, .applied(.integer(.min)))))),
            .reply(RequestID(.max), .forwarded(.outcome(.counted(.max)))),
            .replica(header, .accept(key: key, record: record)),
            .replica(header, .readResult(id: .max, key: key, record: record)),
            .replica(
                header,
                .entriesResult(
                    leaf: .max, entries: .init(repeating: .init(key: key, version: version, checksum: .max), count: 99))
            ),
            .shards(
                .leaderHeartbeat(
                    epoch: .max, .init(repeating: .init(partition: PartitionID(.max), ballot: header.ballot), count: 99)
                )),
            .shards(
                .leaderships(
                    epoch: .max,
                    LeadershipUpdate(
                        shard: UInt16(LeadershipUpdate.maximumShards - 1), base: .max, version: .max,
                        begun: .init(repeating: .init(partition: PartitionID(.max), ballot: header.ballot), count: 99),
                        ended: .init(repeating: PartitionID(.max), count: 99),
                        others: .init(repeating: .init(shard: 1023, version: .max), count: 99)))),
            .shards(
                .support(
                    SupportAnswer(
                        question: SupportQuestion(asked: Instant(nanoseconds: .max), boot: .max), boot: .max,
                        taken: .init(repeating: .max, count: 99)))),
            .request(
                RequestHeader(RequestID(.max), epoch: .max, partition: PartitionID(.max), key: key),
                .forward(timeout: Nanoseconds(nanoseconds: .max), command: .put(put))),
            .request(
                RequestHeader(RequestID(.max), epoch: .max, partition: PartitionID(.max), key: key),
                .forward(
                    timeout: Nanoseconds(nanoseconds: .max),
                    command: .list(ListQuery(prefix: key.bytes, after: key, limit: .max)))),
            .reply(RequestID(.max), .forwarded(.outcome(.listed(keys: .init(repeating: key, count: 99), more: true)))),
            .reply(RequestID(.max), .forwarded(.outcome(.found(record)))),
            .node(.progress(shard: .max, batch: .max)),
            .node(.clock(wall: .max)),
            .node(.usageReport(PartitionUsage(keys: .max, tombstones: .max, bytes: .max))),
            .replica(header, .promise(root: Digest(high: .max, low: .max), contents: .max, floor: version)),
            .replica(
                header,
                .leavesResult(
                    floor: version, leaves: .init(repeating: Digest(high: .max, low: .max), count: 256),
                    contents: .init(repeating: .max, count: 256))),
            .node(.cluster(.topology(longestTopology()))),
            .node(.cluster(.topologyChanges(longestChanges()))),
            .node(.cluster(.report(longestReport()))),
            .node(.cluster(.announce(longestPendingNode(type)))),
            .node(.cluster(.control(RequestID(.max), .change(longestChange(type), isDryRun: true)))),
            .node(.cluster(.controlReply(RequestID(.max), .plan(longestPlan(type))))),
            .node(.cluster(.controlReply(RequestID(.max), .refused(.impossible, String(repeating: "x", count: 9999))))),
        ]
        for message in longest {
            XCTAssertLessThanOrEqual(encode([message]).readableBytes, message.encodedBound)
        }
    }

    private let highest = NodeNumber(.max)
    private let store = UUID128(high: .max, low: .max)

    private func longestTopology() -> Topology {
        let members = (1...UInt16(500)).map {
            Member(
                number: NodeNumber(.max - 500 + $0), id: "", client: Address(host: "", port: 1),
                peer: Address(host: "", port: 1), zone: "", weight: .max, store: store)
        }
        let numbers = members.map(\.number)
        let assignment = Assignment(replicas: numbers, next: numbers.reversed(), changed: .max)
        return Topology(
            clusterID: store, epoch: .max, settings: ClusterSettings(name: "", partitions: 16, replicas: 500),
            members: members,
            removed: .init(repeating: RemovedMember(number: highest, id: "", store: store), count: 100),
            assignments: .init(repeating: assignment, count: 16), metadataQuorum: assignment,
            plan: ChangePlan(
                id: .max, reason: .eviction,
                targets: (0..<16).map { .init(partition: PartitionID(.max - 30 + 2 * $0), replicas: numbers) },
                moves: .max, minimum: .max, bytes: .max))
    }

    private func longestChanges() -> [TopologyChange] {
        let topology = longestTopology()
        // No two are neighbours.
        let steps = stride(from: UInt16(0), to: 16384, by: 2).map(PartitionID.init)
        let change = TopologyChange(
            base: .max - 1, epoch: .max,
            membership: .init(members: topology.members, lastNumber: highest, removed: topology.removed),
            plan: topology.plan.map { .replaced($0) } ?? .none,
            steps: Dictionary(uniqueKeysWithValues: TopologyChange.Step.allCases.map { ($0, steps) }),
            replaced: topology.assignments.enumerated().map {
                .init(partition: PartitionID(.max - 16 + UInt16($0)), assignment: $1)
            }, metadataQuorum: topology.metadataQuorum)
        return .init(repeating: change, count: 3)
    }

    private func longestReport() -> NodeReport {
        let move = MoveReport(
            partition: PartitionID(.max), changed: .max, sent: .max, total: .max, isReady: true,
            obstacle: .silent(highest))
        return NodeReport(
            epoch: .max, store: store,
            partitions: .init(repeating: PartitionSize(partition: PartitionID(.max), bytes: .max), count: 99),
            moves: .init(repeating: move, count: 99))
    }

    private func longestPendingNode(_ text: String) -> PendingNode {
        let address = Address(host: text, port: .max)
        return PendingNode(
            id: text, client: address, peer: address, zone: text, weight: .max, store: store, boot: .max,
            admitsItself: true)
    }

    private func longestChange(_ text: String) -> MembershipChange {
        MembershipChange(
            joins: .init(repeating: .init(id: text, weight: .max, zone: text, replaces: text), count: 99),
            leaves: .init(repeating: text, count: 99), isForced: true)
    }

    private func longestPlan(_ text: String) -> PlanStatus {
        let nodes = [NodeNumber](repeating: highest, count: 99)
        let move = MoveStatus(
            partition: PartitionID(.max), from: nodes, to: nodes, sent: .max, total: .max, obstacle: .silent(highest))
        return PlanStatus(
            id: .max, reason: .eviction, joining: .init(repeating: text, count: 99),
            leaving: .init(repeating: text, count: 99), isPaused: true, isCancelling: true, moves: .max,
            movesDone: .max, partitionsLeft: .max, minimum: .max, bytes: .max, bytesDone: .max, rate: .max,
            underWay: .init(repeating: move, count: PlanStatus.maximumUnderWay),
            shares: .init(
                repeating: ShareChange(
                    id: text, replicasBefore: .max, replicasAfter: .max, leadersBefore: .max, leadersAfter: .max),
                count: 99))
    }

    func testEveryTruncationIsAnError() {
        var random = SplitMix(seed: 3)
        for message in random.messages() {
            let bytes = encode([message])
            for length in 1..<bytes.readableBytes {
                guard let cut = bytes.getSlice(at: 0, length: length) else { return XCTFail("no slice") }
                XCTAssertNotNil(failure(cut), "\(length) of \(bytes.readableBytes) bytes of \(message)")
            }
        }
    }

    /// An encoding is canonical: what decodes at all, encodes to the same bytes.
    func testMutationsAreErrorsOrOtherMessages() {
        var random = SplitMix(seed: 4)
        var errors = 0
        for _ in 0..<100 {
            for message in random.messages() {
                var bytes = encode([message])
                for _ in 0...random.below(3) {
                    bytes.setInteger(UInt8(truncatingIfNeeded: random.next()), at: random.below(bytes.readableBytes))
                }
                var decoded: [PeerMessage] = []
                do {
                    try FrameReader.decode(bytes, into: &decoded)
                    XCTAssertEqual(encode(decoded), bytes)
                } catch {
                    errors += 1
                }
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    func testGarbageNeverCrashes() {
        var random = SplitMix(seed: 5)
        for _ in 0..<5000 {
            var decoded: [PeerMessage] = []
            try? FrameReader.decode(ByteBuffer(bytes: random.bytes(80)), into: &decoded)
            XCTAssertLessThan(decoded.count, 80)
        }
    }

    func testErrorsSayWhatIsWrong() {
        XCTAssertEqual(failure([41]), .unknownType(41))
        XCTAssertEqual(failure([0]), .unknownType(0))
        XCTAssertEqual(failure([20, 0x80, 0x00]), .badInteger, "longer than it need be")
        XCTAssertEqual(failure([20] + .init(repeating: 0xff, count: 10)), .badInteger, "above 64 bits")
        XCTAssertEqual(failure([1, 0x81, 0x80, 0x01]), .invalid("partition"))
        XCTAssertEqual(failure([12] + header + [0x80, 0x02]), .invalid("leaf"))
        XCTAssertEqual(failure([9] + header + [1, 0, 2]), .invalid("presence of a record"))
        XCTAssertEqual(failure([14, 1, 0xff, 0xff, 0xff, 0xff, 0x0f]), .tooMany("list of leaderships", 0xffff_ffff))
        XCTAssertEqual(failure([8] + header + [1, 9, 0]), .tooMany("key length", 9))
        XCTAssertEqual(failure([11] + header + floor + [0x81, 0x02]), .invalid("list of leaves"))
        XCTAssertEqual(failure([11] + header + floor + [9, 0, 2]), .invalid("list of leaves"), "a bit of no leaf")
        let empty = [UInt8](repeating: 0, count: 24)
        XCTAssertEqual(failure([11] + header + floor + [1, 1] + empty), .invalid("list of leaves"), "an empty one")
        XCTAssertEqual(failure([17] + .init(repeating: 0, count: 8) + [1, 6, 9]), .invalid("refusal"))
        XCTAssertEqual(
            failure([19] + .init(repeating: 0, count: 8) + [1] + .init(repeating: 0, count: 10) + [1, 0xff, 0]),
            .invalid("content type"), "not UTF-8")
        XCTAssertEqual(failure([27, 9]), .invalid("message about membership"))
        XCTAssertEqual(failure([27, 2, 1]), .formatVersion(1))
        XCTAssertEqual(
            failure([27, 3] + .init(repeating: 0, count: 17) + [0xff, 0x7f]), .tooMany("list of partitions", 16383))
        XCTAssertEqual(failure([27, 4, 0x80, 0x02]), .tooMany("node id", 256))
        XCTAssertEqual(failure([27, 5] + .init(repeating: 0, count: 8) + [1, 9]), .tooMany("list of joins", 9))
        XCTAssertEqual(failure([27, 6] + .init(repeating: 0, count: 8) + [2, 6]), .invalid("refusal"))
    }

    func testTheMetadataPartitionIsTheLast() throws {
        var decoded: [PeerMessage] = []
        let message = PeerMessage.replica(
            PartitionHeader(partition: PartitionID(16384), epoch: 1, ballot: Ballot(raw: 1)), .prepare)
        try FrameReader.decode(encode([message]), into: &decoded)
        XCTAssertEqual(decoded, [message])
    }

    /// An operator may ask for anything: the coordinator is to answer, not to close the connection.
    func testWhatUsersTypeIsCutRatherThanRefusedByTheCoordinator() throws {
        let long = String(repeating: "é", count: 4000)
        let change = MembershipChange(
            joins: [.init(id: long, weight: -3, zone: long, replaces: long)], leaves: [long])
        let messages: [PeerMessage] = [
            .node(.cluster(.control(RequestID(1), .change(change, isDryRun: true)))),
            .node(.cluster(.controlReply(RequestID(1), .refused(.noSuchNode, long)))),
        ]
        var decoded: [PeerMessage] = []
        try FrameReader.decode(encode(messages), into: &decoded)
        let name = String(repeating: "é", count: 127)
        let cut = MembershipChange(joins: [.init(id: name, weight: 0, zone: name, replaces: name)], leaves: [name])
        XCTAssertEqual(
            decoded,
            [
                .node(.cluster(.control(RequestID(1), .change(cut, isDryRun: true)))),
                .node(
                    .cluster(.controlReply(RequestID(1), .refused(.noSuchNode, String(repeating: "é", count: 2048))))),
            ])
    }

    func testOnlySoManyMovesUnderWayAreTold() throws {
        var status = PlanStatus(
            id: 1, reason: .eviction, joining: [], leaving: [], isPaused: false, isCancelling: false, moves: 40,
            movesDone: 0, partitionsLeft: 40, minimum: 40, bytes: 1, bytesDone: 0, rate: 0,
            underWay: (0..<40).map {
                MoveStatus(
                    partition: PartitionID($0), from: [NodeNumber(1)], to: [NodeNumber(2)], sent: 0, total: 1,
                    obstacle: nil)
            })
        var decoded: [PeerMessage] = []
        try FrameReader.decode(encode([.node(.cluster(.controlReply(RequestID(1), .plan(status))))]), into: &decoded)
        status.underWay.removeLast(8)
        XCTAssertEqual(decoded, [.node(.cluster(.controlReply(RequestID(1), .plan(status))))])
    }

    /// Partition, epoch, ballot.
    private let header: [UInt8] = .init(repeating: 0, count: 10)
    private let floor: [UInt8] = .init(repeating: 0, count: 9)

    private func failure(_ bytes: [UInt8]) -> WireError? { failure(ByteBuffer(bytes: bytes)) }

    private func failure(_ payload: ByteBuffer) -> WireError? {
        var decoded: [PeerMessage] = []
        do throws(WireError) {
            try FrameReader.decode(payload, into: &decoded)
            return nil
        } catch {
            return error
        }
    }
}

func encode(_ messages: [PeerMessage]) -> ByteBuffer {
    var buffer = ByteBuffer()
    for message in messages { buffer.writeImmutableBuffer(EncodedMessage(message).bytes) }
    return buffer
}
