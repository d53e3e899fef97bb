import Foundation
import KVCore
import NIOCore
import XCTest

@testable import KVWire

/// The encodings that docs/wire-format.md shows. They are frozen: if a test here fails, the program is wrong, not the
/// test.
final class GoldenBytesTests: XCTestCase {
    private let header = PartitionHeader(partition: PartitionID(300), epoch: 5, ballot: Ballot(raw: 0x0002_0001))
    private let version = Version(ballot: Ballot(raw: 0x0001_0003), sequence: 200)
    private let id = RequestID(0x0102_0304_0506_0708)
    private let key = Key("k")

    func testMessages() throws {
        let record = Record(version: version, expiry: Expiry(milliseconds: 1), value: [0xff, 0x00], contentType: "a/b")
        let tombstone = Record(version: version, value: nil)
        try check(".prepare", .replica(header, .prepare), "01 ac02 05 0100020000000000")
        try check(
            ".promise", .replica(header, .promise(root: Digest(high: 1, low: 2), contents: 3, floor: version)),
            "02 ac02 05 0100020000000000 0100000000000000 0200000000000000 0300010000000000 c801 0300000000000000")
        try check(".reject", .replica(header, .reject), "03 ac02 05 0100020000000000")
        try check(
            ".accept", .replica(header, .accept(key: key, record: record)),
            "04 ac02 05 0100020000000000 01 6b 0300010000000000 c801 01 03 612f62 01 02 ff00")
        try check(
            ".accept of a tombstone", .replica(header, .accept(key: key, record: tombstone)),
            "04 ac02 05 0100020000000000 01 6b 0300010000000000 c801 00 00 00")
        try check(
            ".accepted", .replica(header, .accepted(version: version)),
            "05 ac02 05 0100020000000000 0300010000000000 c801")
        try check(".confirm", .replica(header, .confirm(round: 9)), "06 ac02 05 0100020000000000 09")
        try check(
            ".confirmed", .replica(header, .confirmed(round: 9, mark: PromiseMark(boot: 300, taken: 2))),
            "07 ac02 05 0100020000000000 09 01 ac02 02")
        try check(
            "without a mark", .replica(header, .confirmed(round: 9)), "07 ac02 05 0100020000000000 09 00")
        try check(
            ".prepareAfter", .replica(header, .prepareAfter(released: version.ballot)),
            "26 ac02 05 0100020000000000 0300010000000000")
        let question = SupportQuestion(asked: Instant(nanoseconds: 300), boot: 2)
        try check(".supportWanted", .shards(.supportWanted(question)), "27 ac02 02")
        try check(
            ".support", .shards(.support(SupportAnswer(question: question, boot: 3, taken: [0, 300]))),
            "28 ac02 02 03 02 00 ac02")
        try check(".read", .replica(header, .read(id: 128, key: key)), "08 ac02 05 0100020000000000 8001 01 6b")
        try check(
            ".readResult", .replica(header, .readResult(id: 128, key: key, record: tombstone)),
            "09 ac02 05 0100020000000000 8001 01 6b 01 0300010000000000 c801 00 00 00")
        try check(
            ".readResult of nothing", .replica(header, .readResult(id: 128, key: key, record: nil)),
            "09 ac02 05 0100020000000000 8001 01 6b 00")
        try check(
            ".leaves", .replica(header, .leaves(floor: version)), "0a ac02 05 0100020000000000 0300010000000000 c801")
        try check(
            ".leavesResult",
            .replica(
                header,
                .leavesResult(
                    floor: .zero, leaves: .init(repeating: Digest(), count: 9) + [Digest(high: 1, low: 2)],
                    contents: .init(repeating: 0, count: 9) + [3])),
            """
            0b ac02 05 0100020000000000 0000000000000000 00 0a 0002 0100000000000000 0200000000000000 0300000000000000
            """)
        try check(".entries", .replica(header, .entries(leaf: 255)), "0c ac02 05 0100020000000000 ff01")
        try check(
            ".entriesResult",
            .replica(header, .entriesResult(leaf: 1, entries: [KeyVersion(key: key, version: version, checksum: 4)])),
            "0d ac02 05 0100020000000000 01 01 01 6b 0300010000000000 c801 04000000")
        try check(
            ".leaderHeartbeat",
            .shards(.leaderHeartbeat(epoch: 5, [Leadership(partition: header.partition, ballot: header.ballot)])),
            "0e 05 01 ac02 0100020000000000")
        let leadership = Leadership(partition: header.partition, ballot: header.ballot)
        try check(
            ".leaderships",
            .shards(
                .leaderships(
                    epoch: 5,
                    LeadershipUpdate(
                        shard: 1, base: 300, version: 301, begun: [leadership], ended: [PartitionID(7)],
                        others: [.init(shard: 2, version: 300)]))),
            "23 05 01 ac02 ad02 01 ac02 0100020000000000 01 07 00 01 02 ac02")
        try check(".doubt", .node(.doubt(NodeNumber(2))), "25 02")
        try check(".leadershipsWanted", .shards(.leadershipsWanted(shard: 1)), "24 01")
        try check(".transfer", .replica(header, .transfer), "0f ac02 05 0100020000000000")
        try check(
            ".quorumRead", .request(RequestHeader(id, epoch: 5, partition: header.partition, key: key), .quorumRead),
            "12 0807060504030201 05 ac02 01 6b")
        try check(".quorumReadReply", .reply(id, .quorumReadReply(nil)), "13 0807060504030201 00")
        try check(".outdated", .shards(.outdated(epoch: 5)), "14 05")
        try check(
            ".usageReport", .node(.usageReport(PartitionUsage(keys: 1, tombstones: 2, bytes: 300))), "15 01 02 ac02")
        try check(".abstain", .replica(header, .abstain), "1e ac02 05 0100020000000000")
        try check(".consult", .replica(header, .consult), "1f ac02 05 0100020000000000")
        try check(".complete", .replica(header, .complete), "20 ac02 05 0100020000000000")
        try check(".completed", .replica(header, .completed), "21 ac02 05 0100020000000000")
        try check(".progress", .node(.progress(shard: 1, batch: 300)), "1d 01 ac02")
        try check(".clock", .node(.clock(wall: 1_700_000_000_000)), "22 80d095ffbc31")
        try check(".preVote", .replica(header, .preVote), "16 ac02 05 0100020000000000")
        try check(
            ".preVoteResult", .replica(header, .preVoteResult(granted: true, promised: version.ballot)),
            "17 ac02 05 0100020000000000 01 0300010000000000")
        try check(
            ".purge", .replica(header, .purge(floor: version)), "18 ac02 05 0100020000000000 0300010000000000 c801")
        try check(".dropReplica", .replica(header, .dropReplica), "19 ac02 05 0100020000000000")
        try check(".replicaDropped", .replica(header, .replicaDropped), "1a ac02 05 0100020000000000")
    }

    func testMembership() throws {
        try check(".topologyWanted", .node(.cluster(.topologyWanted(above: 5))), "1b 01 05")
        try check("prepared", .node(.cluster(.prepared(partitions: 128))), "1b 08 8001")
        let moves = [MoveObstacle.unreachable(NodeNumber(300)), .silent(NodeNumber(4)), .settling, .paused, nil].map {
            MoveReport(
                partition: header.partition, changed: 5, sent: 1, total: 200, isReady: $0 == nil, obstacle: $0)
        }
        try check(
            ".report",
            .node(
                .cluster(
                    .report(
                        NodeReport(
                            epoch: 5, store: UUID128(high: 3, low: 4),
                            partitions: [PartitionSize(partition: header.partition, bytes: 200)], moves: moves)))),
            """
            1b 03 05 0300000000000000 0400000000000000 01 ac02 c801 05 ac02 05 01 c801 00 01 01 ac02 \
            ac02 05 01 c801 00 01 02 04 ac02 05 01 c801 00 01 03 ac02 05 01 c801 00 01 04 ac02 05 01 c801 01 00
            """)
        try check(
            ".announce",
            .node(
                .cluster(
                    .announce(
                        PendingNode(
                            id: "n4", client: Address(host: "a", port: 7404), peer: Address(host: "::1", port: 7504),
                            zone: "z", weight: 1, store: UUID128(high: 3, low: 4), boot: 300, admitsItself: true)))),
            "1b 04 02 6e34 01 61 ec1c 03 3a3a31 501d 01 7a 01 0300000000000000 0400000000000000 ac02 01")
    }

    func testControl() throws {
        let change = MembershipChange(
            joins: [.init(id: "n4", weight: 2, zone: "z", replaces: "n2"), .init(id: "n5")], leaves: ["n3"],
            isForced: true)
        try check(
            "change", .node(.cluster(.control(id, .change(change, isDryRun: true)))),
            "1b 05 0807060504030201 01 02 02 6e34 01 02 01 01 7a 01 02 6e32 02 6e35 00 00 00 01 02 6e33 01 01")
        try check(
            "split", .node(.cluster(.control(id, .split(partitions: 128, isDryRun: true)))),
            "1b 05 0807060504030201 06 8001 01")
        for (code, request) in [(2, ControlRequest.pause), (3, .resume), (4, .cancel), (5, .status)] {
            try check("\(request)", .node(.cluster(.control(id, request))), "1b 05 0807060504030201 0\(code)")
        }
        let status = PlanStatus(
            id: 5, reason: .operatorAsked, joining: ["n4"], leaving: ["n2"], isPaused: true, isCancelling: false,
            moves: 8, movesDone: 2, partitionsLeft: 3, minimum: 7, bytes: 300, bytesDone: 200, rate: 9,
            underWay: [
                MoveStatus(
                    partition: header.partition, from: [NodeNumber(1), NodeNumber(2)],
                    to: [NodeNumber(1), NodeNumber(4)], sent: 1, total: 200, obstacle: .settling)
            ],
            shares: [ShareChange(id: "n4", replicasBefore: 0, replicasAfter: 300, leadersBefore: 1, leadersAfter: 2)])
        try check(
            "plan", .node(.cluster(.controlReply(id, .plan(status)))),
            """
            1b 06 0807060504030201 01 01 05 01 01 02 6e34 01 02 6e32 01 00 08 02 03 07 ac02 c801 09 \
            01 ac02 02 01 02 02 01 04 01 c801 01 03 01 02 6e34 00 ac02 01 02
            """)
        try check("no plan", .node(.cluster(.controlReply(id, .plan(nil)))), "1b 06 0807060504030201 01 00")
        for (code, refusal) in [
            (1, ControlRefusal.noSuchNode), (2, .planUnderWay), (3, .noPlan), (4, .impossible), (5, .noCoordinator),
        ] {
            try check(
                "\(refusal)", .node(.cluster(.controlReply(id, .refused(refusal, "no")))),
                "1b 06 0807060504030201 02 0\(code) 02 6e6f")
        }
        try check("unknown", .node(.cluster(.controlReply(id, .unknown))), "1b 06 0807060504030201 03")
        try check(
            "not coordinator", .node(.cluster(.controlReply(id, .notCoordinator(hint: NodeNumber(300))))),
            "1b 06 0807060504030201 04 01 ac02")
        try check(
            "not coordinator, no hint", .node(.cluster(.controlReply(id, .notCoordinator(hint: nil)))),
            "1b 06 0807060504030201 04 00")
    }

    func testForwards() throws {
        let put = Put(value: [1], contentType: "a/b", lifetime: .milliseconds(200), condition: .ifVersion(version))
        try check("get", forward(.get), "10 0807060504030201 05 c0843d 01 6b ac02 01")
        try check(
            "put", forward(.put(put)),
            "10 0807060504030201 05 c0843d 01 6b ac02 02 01 01 03 612f62 01 c801 01 0300010000000000 c801")
        try check(
            "put until", forward(.put(Put(value: [], lifetime: .until(7), condition: .ifAbsent))),
            "10 0807060504030201 05 c0843d 01 6b ac02 02 00 00 02 07 02")
        try check("delete", forward(.delete(.ifPresent)), "10 0807060504030201 05 c0843d 01 6b ac02 03 03")
        try check("delete always", forward(.delete(.always)), "10 0807060504030201 05 c0843d 01 6b ac02 03 00")
        try check(
            "list", forward(.list(ListQuery(prefix: [0x70], after: key, limit: 100))),
            "10 0807060504030201 05 c0843d 01 6b ac02 04 01 70 01 01 6b 64")
        try check(
            "relay",
            .request(
                RequestHeader(id, epoch: 5, partition: PartitionID(300), key: key),
                .relay(timeout: .milliseconds(1), command: .count)),
            "1c 0807060504030201 05 c0843d 01 6b ac02 06")
        try check("count", forward(.count), "10 0807060504030201 05 c0843d 01 6b ac02 06")
    }

    func testForwardedUpdates() throws {
        func check(_ update: Update, _ bytes: String, line: UInt = #line) throws {
            try self.check(
                "\(update)", forward(.update(update)), "10 0807060504030201 05 c0843d 01 6b ac02 05 \(bytes)",
                line: line)
        }
        try check(
            Update(
                .set([1], contentType: "a/b"), requirement: .equals([2]), lifetime: .set(.milliseconds(200)),
                returnsPrevious: true, maximumLength: 300),
            "01 01 01 03 612f62 03 01 02 01 01 c801 01 ac02")
        try check(Update(.remove, returnsPrevious: true, maximumLength: 0), "02 00 00 01 00")
        try check(
            Update(.keep, requirement: .expiring, lifetime: .set(.unlimited), maximumLength: 0), "03 05 01 00 00 00")
        try check(Update(.append([0xff]), maximumLength: 300), "04 01 ff 00 00 00 ac02")
        try check(Update(.overwrite(offset: 200, [0xff]), maximumLength: 300), "05 c801 01 ff 00 00 00 ac02")
        try check(Update(.add(-2), maximumLength: 300), "06 feffffffffffffff 00 00 00 ac02")
        try check(Update(.addNumber(Array("1.5".utf8)), maximumLength: 300), "07 03 312e35 00 00 00 ac02")
        for (code, requirement) in [
            (0, Update.Requirement.always), (1, .absent), (2, .present), (4, .lasting), (5, .expiring),
            (6, .laterExpiry), (7, .earlierExpiry), (8, .expiringAndEarlier),
        ] {
            try check(
                Update(.keep, requirement: requirement, lifetime: .set(.until(7)), maximumLength: 0),
                "03 0\(code) 01 02 07 00 00")
        }
    }

    func testUpdateResults() throws {
        func check(_ version: Version?, _ result: UpdateResult, _ bytes: String, line: UInt = #line) throws {
            try self.check(
                "\(result)", .reply(id, .forwarded(.outcome(.updated(version, result)))),
                "11 0807060504030201 01 08 \(bytes)",
                line: line)
        }
        try check(version, .applied(.none), "01 0300010000000000 c801 01 00")
        try check(version, .applied(.bytes([0xff, 0])), "01 0300010000000000 c801 01 01 02 ff00")
        try check(version, .applied(.integer(-2)), "01 0300010000000000 c801 01 02 feffffffffffffff")
        try check(nil, .notApplied(.none), "00 02 00")
        for (code, misfit) in [
            (1, Misfit.notAnInteger), (2, .overflow), (3, .notANumber), (4, .notFinite), (5, .tooLong),
        ] {
            try check(nil, .misfit(misfit), "00 03 0\(code)")
        }
        try self.check("counted", .reply(id, .forwarded(.outcome(.counted(300)))), "11 0807060504030201 01 09 ac02")
    }

    func testForwardResults() throws {
        let record = Record(version: version, value: [1])
        try check(
            "found", .reply(id, .forwarded(.outcome(.found(record)))),
            "11 0807060504030201 01 01 0300010000000000 c801 00 00 01 01 01")
        try check("absent", .reply(id, .forwarded(.outcome(.absent))), "11 0807060504030201 01 02")
        try check(
            "written", .reply(id, .forwarded(.outcome(.written(version)))),
            "11 0807060504030201 01 03 0300010000000000 c801")
        try check(
            "condition failed", .reply(id, .forwarded(.outcome(.conditionFailed(version)))),
            "11 0807060504030201 01 04 01 0300010000000000 c801")
        try check(
            "condition failed, absent", .reply(id, .forwarded(.outcome(.conditionFailed(nil)))),
            "11 0807060504030201 01 04 00")
        try check(
            "listed", .reply(id, .forwarded(.outcome(.listed(keys: [key], more: true)))),
            "11 0807060504030201 01 05 01 01 6b 01")
        for (code, refusal) in [
            (1, Refusal.noLeader), (2, .overloaded), (3, .diskFull), (4, .stopping), (5, .noReplica),
            (6, .notMember),
        ] {
            try check(
                "\(refusal)", .reply(id, .forwarded(.outcome(.refused(refusal)))), "11 0807060504030201 01 06 0\(code)")
        }
        try check("timedOut", .reply(id, .forwarded(.outcome(.unknown(.timedOut)))), "11 0807060504030201 01 07 01")
        try check("leaderLost", .reply(id, .forwarded(.outcome(.unknown(.leaderLost)))), "11 0807060504030201 01 07 02")
        try check(
            "not leader", .reply(id, .forwarded(.notLeader(hint: NodeNumber(300)))), "11 0807060504030201 02 01 ac02")
        try check("not leader, no hint", .reply(id, .forwarded(.notLeader(hint: nil))), "11 0807060504030201 02 00")
    }

    func testFrame() throws {
        var writer = FrameWriter()
        writer.append(.shards(.outdated(epoch: 5)))
        writer.append(.shards(.outdated(epoch: 300)))
        try check("frame", XCTUnwrap(writer.finish()), "05000000 e520e3d4 14 05 14 ac02")
    }

    func testHandshakes() throws {
        let introduction = Introduction(
            clusterID: UUID128(high: 1, low: 2), clusterName: "demo", node: NodeNumber(3), nodeID: "n3",
            store: UUID128(high: 4, low: 5), boot: 300, epoch: 7,
            agreement: [AgreementLine(path: "cluster.replicas", value: "3")],
            starts: [ProcessStart(boot: 299, nonce: 17), ProcessStart(boot: 300, nonce: 18)],
            progress: [1001, 42], wall: 1_700_000_000_000)
        let said = """
            0100000000000000 0200000000000000 04 64656d6f 03 02 6e33 0400000000000000 0500000000000000 ac02 \
            07 01 10 636c75737465722e7265706c69636173 01 33
            """
        let starts = "02 ab02 1100000000000000 ac02 1200000000000000 02 e907 2a 80d095ffbc31"
        try check(
            "hello", payload(.hello(introduction, shard: ShardPosition(index: 1, count: 2))),
            "6b7670656572 0400 01 \(said) \(starts) 01 02")
        try check("welcome", payload(.welcome(introduction)), "6b7670656572 0400 02 \(said) \(starts)")
        try check("welcome, in version 3", payload(.welcome(introduction.spoken(3))), "6b7670656572 0300 02 \(said)")
        let refusal = Handshake.refusal(HandshakeRefusal(.removed, "no"))
        try check("refusal", payload(refusal), "6b7670656572 0400 03 02 6e6f 01")
        try check("refusal, in version 3", payload(refusal, in: 3), "6b7670656572 0400 03 02 6e6f")
        for (code, value) in [
            (0, HandshakeRefusal.Code.unspecified), (1, .removed), (2, .outdatedStore), (3, .secondProcess),
            (4, .otherStore),
        ] { XCTAssertEqual(Int(value.rawValue), code, "frozen") }
    }

    func testTopology() throws {
        try check(
            "topology", ByteBuffer(bytes: TopologyCodec.encode(topology())), Self.topologyBytes)
        try check(".topology", .node(.cluster(.topology(topology()))), "1b 02 \(Self.topologyBytes)", isShown: false)
        let older = TopologyCodec.encode(topology(), format: TopologyCodec.formatWithoutRuns)
        try check("topology, in format 2", ByteBuffer(bytes: older), Self.topologyBytesWithoutRuns)
        XCTAssertEqual(try TopologyCodec.decode(older), topology())
        var split = topology()
        split.assignments.append(split.assignments[0])
        split.plan = ChangePlan(id: 5, reason: .split, targets: [], moves: 0, minimum: 0, bytes: 0, splitTo: 4)
        try check(
            "topology with splits", ByteBuffer(bytes: TopologyCodec.encode(split)),
            "04"
                + Self.topologyBytes.dropFirst(2).replacing(
                    "01 00 02 01 04 00 01 05 00", with: "03 01 00 02 01 04 00 01 05 00"
                ).replacing("01 01 00 03 01 01 ", with: "01 01 01 01 00 03 01 01 ")
                .replacing("01 05 01 00 00 01 01 01 00 02 04 01 02 01 ac02", with: "01 05 03 04 00 00 00 00 00 00"),
            isShown: false)
    }

    func testTopologyChanges() throws {
        func ids(_ numbers: UInt16...) -> [PartitionID] { numbers.map { PartitionID($0) } }
        let steps = TopologyChange(
            base: 300, epoch: 301, plan: .kept(isPaused: false), steps: [.begin: ids(2, 3, 7), .complete: ids(0)])
        try check(
            "steps", .node(.cluster(.topologyChanges([steps]))),
            "1b 07 01 ac02 ad02 00 01 02 02 02 02 01 01 00 01 00 00 00 00")
        let paused = TopologyChange(base: 6, epoch: 7, plan: .kept(isPaused: true))
        try check("paused", .node(.cluster(.topologyChanges([paused]))), "1b 07 01 06 07 00 02 00 00 00 00 00 00")
        let splits = TopologyChange(base: 6, epoch: 7, plan: .kept(isPaused: false), splits: 64)
        try check("splits", .node(.cluster(.topologyChanges([splits]))), "1b 07 01 06 07 00 04 40 00 00 00 00 00 00")
        let alone = Assignment(replicas: [NodeNumber(1)], changed: 7, since: [1])
        let ended = TopologyChange(
            base: 6, epoch: 7,
            membership: .init(members: [topology().members[0]], lastNumber: NodeNumber(5), removed: []), plan: .none,
            replaced: [.init(partition: PartitionID(1), assignment: alone)], metadataQuorum: alone)
        try check(
            "ended", .node(.cluster(.topologyChanges([ended]))),
            """
            1b 07 01 06 07 01 01 01 02 6e31 01 61 e91c 03 3a3a31 4d1d 01 7a 01 00 01 05 00 00 \
            00 00 00 00 01 01 01 01 00 07 01 01 01 01 01 00 07 01 01
            """)
        let begun = TopologyChange(base: 6, epoch: 7, plan: topology().plan.map { .replaced($0) } ?? .none)
        try check(
            "begun", .node(.cluster(.topologyChanges([begun]))),
            "1b 07 01 06 07 00 03 05 01 00 00 01 01 01 00 02 04 01 02 01 ac02 00 00 00 00 00 00")
    }

    private static let topologyBytes = """
        03 0807060504030201 100f0e0d0c0b0a09 07 04 64656d6f 02 03 02 \
        01 02 6e31 01 61 e91c 03 3a3a31 4d1d 01 7a 01 00 01 \
        04 02 6e34 01 61 ec1c 03 3a3a31 501d 01 7a 01 01 0300000000000000 0400000000000000 02 \
        05 01 02 02 6e32 01 0500000000000000 0600000000000000 \
        01 00 02 01 04 00 01 05 00 \
        01 00 01 01 02 04 01 01 05 00 \
        01 01 00 03 01 01 \
        01 05 01 00 00 01 01 01 00 02 04 01 02 01 ac02
        """

    private static let topologyBytesWithoutRuns = """
        02 0807060504030201 100f0e0d0c0b0a09 07 04 64656d6f 02 03 02 \
        01 02 6e31 01 61 e91c 03 3a3a31 4d1d 01 7a 01 00 01 \
        04 02 6e34 01 61 ec1c 03 3a3a31 501d 01 7a 01 01 0300000000000000 0400000000000000 02 \
        05 01 02 02 6e32 01 0500000000000000 0600000000000000 \
        02 01 04 00 06 02 01 06 \
        01 01 02 04 01 06 02 01 06 \
        01 01 00 03 01 01 \
        01 05 01 00 00 01 01 02 04 01 02 01 ac02
        """

    func testChecksum() {
        XCTAssertEqual(checksum(ByteBuffer(string: "123456789")), 0xe306_9283)
    }

    private func forward(_ command: Command) -> PeerMessage {
        .request(
            RequestHeader(id, epoch: 5, partition: header.partition, key: key),
            .forward(timeout: .milliseconds(1), command: command))
    }

    /// Version 3 knows nothing of contents.
    func testMessagesOfTheVersionBefore() throws {
        let digest = Digest(high: 1, low: 2)
        let entries = [KeyVersion(key: key, version: version)]
        let messages: [(PeerMessage, PeerMessage, String)] = [
            (
                .replica(header, .promise(root: digest, contents: 3, floor: version)),
                .replica(header, .promise(root: digest, contents: nil, floor: version)),
                "02 ac02 05 0100020000000000 0100000000000000 0200000000000000 0300010000000000 c801"
            ),
            (
                .replica(header, .leavesResult(floor: .zero, leaves: [digest], contents: [3])),
                .replica(header, .leavesResult(floor: .zero, leaves: [digest], contents: [])),
                "0b ac02 05 0100020000000000 0000000000000000 00 01 0100000000000000 0200000000000000"
            ),
            (
                .replica(
                    header, .entriesResult(leaf: 1, entries: [KeyVersion(key: key, version: version, checksum: 4)])),
                .replica(header, .entriesResult(leaf: 1, entries: entries)),
                "0d ac02 05 0100020000000000 01 01 01 6b 0300010000000000 c801"
            ),
            (
                .node(.cluster(.topology(topology()))), .node(.cluster(.topology(topology()))),
                "1b 02 \(Self.topologyBytesWithoutRuns)"
            ),
        ]
        for (sent, received, expected) in messages {
            var writer = FrameWriter()
            writer.protocolVersion = 3
            XCTAssertTrue(writer.append(sent))
            var payload = try XCTUnwrap(writer.finish())
            XCTAssertTrue(writer.append(EncodedMessage(versioned: sent)))
            XCTAssertEqual(writer.finish(), payload, "encoded once for peers of all versions")
            payload.moveReaderIndex(forwardBy: FrameLimits.header)
            try check("\(sent)", payload, expected, isShown: false)
            var decoded: [PeerMessage] = []
            try FrameReader.decode(payload, in: 3, into: &decoded)
            XCTAssertEqual(decoded, [received])
        }
    }

    private func payload(
        _ handshake: Handshake, in version: UInt16 = Handshake.protocolVersion
    ) throws -> ByteBuffer {
        var frame = try handshake.frame(refusingIn: version)
        frame.moveReaderIndex(forwardBy: FrameLimits.header)
        return frame
    }

    private func check(
        _ name: String, _ message: PeerMessage, _ expected: String, isShown: Bool = true, line: UInt = #line
    ) throws {
        try check(name, encode([message]), expected, isShown: isShown, line: line)
        var decoded: [PeerMessage] = []
        try FrameReader.decode(encode([message]), into: &decoded)
        XCTAssertEqual(decoded, [message], line: line)
    }

    private func check(
        _ name: String, _ bytes: ByteBuffer, _ expected: String, isShown: Bool = true, line: UInt = #line
    ) throws {
        let found = bytes.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        XCTAssertEqual(found, expected.filter { $0 != " " }, name, line: line)
        guard isShown else { return }
        XCTAssertTrue(try Self.document.contains(expected), "the document does not show \(name)", line: line)
    }

    private static var document: String {
        get throws {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let text = try String(contentsOf: root.appendingPathComponent("docs/wire-format.md"), encoding: .utf8)
            // A long example is broken where a space is.
            return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }
}
