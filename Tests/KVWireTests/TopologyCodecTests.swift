import KVCore
import XCTest

@testable import KVWire

final class TopologyCodecTests: XCTestCase {
    func testEveryTopologyComesBackAsItWas() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<300 {
            let topology = random.topology()
            for format in formats(of: topology) {
                XCTAssertEqual(try TopologyCodec.decode(TopologyCodec.encode(topology, format: format)), topology)
            }
        }
    }

    func testEveryTruncationIsAnError() {
        var random = SplitMix(seed: 2)
        for _ in 0..<10 {
            let bytes = TopologyCodec.encode(random.topology())
            for length in 0..<bytes.count {
                XCTAssertThrowsError(try TopologyCodec.decode(Array(bytes[..<length])))
            }
        }
    }

    func testMutationsNeverCrash() {
        var random = SplitMix(seed: 3)
        var errors = 0
        for _ in 0..<6000 {
            let topology = random.topology()
            let formats = formats(of: topology)
            let format = formats[random.below(formats.count)]
            var bytes = TopologyCodec.encode(topology, format: format)
            bytes[1 + random.below(bytes.count - 1)] = UInt8(truncatingIfNeeded: random.next())
            do {
                let decoded = try TopologyCodec.decode(bytes)
                XCTAssertEqual(TopologyCodec.encode(decoded, format: format), bytes)
            } catch {
                errors += 1
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    /// The formats that a topology can be written in.
    private func formats(of topology: Topology) -> [UInt8] {
        topology.assignments.count > topology.settings.partitions ? [TopologyCodec.formatWithSplits] : both
    }

    /// A topology has one encoding for nodes of this version: without splits it is not of the format for splits.
    func testANumberOfPartitionsThatSplitsCannotGiveIsRefused() throws {
        var cut = topology()
        let assignment = cut.assignments[0]
        cut.assignments.append(assignment)
        let bytes = TopologyCodec.encode(cut)
        XCTAssertEqual(bytes[0], TopologyCodec.formatWithSplits)
        XCTAssertEqual(try TopologyCodec.decode(bytes), cut)
        let older = TopologyCodec.encode(cut, format: TopologyCodec.formatWithoutRuns)
        XCTAssertEqual(older, bytes, "what nobody could read again is not written")
        let whole = TopologyCodec.encode(topology(), format: TopologyCodec.formatWithSplits)
        XCTAssertThrowsError(try TopologyCodec.decode(whole)) {
            XCTAssertEqual($0 as? WireError, .invalid("number of partitions"))
        }
    }

    /// What is wrong in the same way in both formats, is written by them in the same way.
    private let both = [TopologyCodec.formatWithoutRuns, TopologyCodec.format]

    func testContradictionsAreRefused() {
        let good = topology()
        XCTAssertNoThrow(try TopologyCodec.decode(TopologyCodec.encode(good)))
        expect(.invalid("number of partitions"), in: both) { $0.settings.partitions = 3 }
        expect(.invalid("number of partitions"), in: both) { $0.settings.partitions = 0 }
        expect(.invalid("number of replicas"), in: both) { $0.settings.replicas = 0 }
        expect(.invalid("order of members"), in: both) { $0.members.reverse() }
        expect(.invalid("order of members"), in: both) { $0.members[1].number = NodeNumber(1) }
        expect(.invalid("weight"), in: both) { $0.members[0].weight = 0 }
        expect(.invalid("replica set")) { $0.assignments[0].replicas = [] }
        expect(.invalid("replica set")) { $0.assignments[0].replicas = [NodeNumber(1), NodeNumber(1)] }
        expect(.invalid("replica set")) { $0.assignments[1].replicas = [NodeNumber(9)] }
        expect(.tooMany("next replica set", 3)) { $0.assignments[1].next = [1, 4, 9].map { NodeNumber($0) } }
        expect(.invalid("number of a member"), in: both) { $0.members[0].number = NodeNumber(0) }
        expect(.invalid("epoch")) { $0.epoch = 0 }
    }

    func testContradictionsAboutWhoIsGoneAreRefused() {
        expect(.invalid("last number"), in: both) { $0.lastNumber = NodeNumber(1) }
        expect(.invalid("last number"), in: both) { $0.removed = [self.gone(3), self.gone(6)] }
        expect(.invalid("order of removed members"), in: both) { $0.removed = [self.gone(5), self.gone(3)] }
        expect(.invalid("order of removed members"), in: both) { $0.removed = [self.gone(3), self.gone(3)] }
        expect(.invalid("removed member"), in: both) { $0.removed = [self.gone(4)] }
        expect(.invalid("number of a removed member"), in: both) { $0.removed = [self.gone(0)] }
    }

    func testContradictionsInConfigurationsAreRefused() {
        expect(.invalid("epoch of a change")) { $0.assignments[0].changed = 8 }
        expect(.invalid("epoch of a change")) { $0.assignments[0].changed = 0 }
        expect(.invalid("count of epochs of membership")) { $0.assignments[0].since = [1] }
        expect(.invalid("count of epochs of membership")) { $0.assignments[0].since = [1, 1, 1] }
        expect(.invalid("count of epochs of membership")) {
            // Node 1 is in both sets, and has belonged once.
            $0.assignments[0].next = [NodeNumber(1)]
            $0.assignments[0].since = [1, 1, 1]
        }
        expect(.invalid("epoch of membership")) { $0.assignments[1].since = [1, 0] }
        expect(.invalid("epoch of membership")) { $0.assignments[1].since = [1, 7] }
        expect(.invalid("replica set")) { $0.metadataQuorum.replicas = [] }
        expect(.invalid("replica set")) { $0.metadataQuorum.replicas = [NodeNumber(5)] }
        expect(.invalid("next replica set")) { $0.metadataQuorum.next = [NodeNumber(5)] }
        let members = (1...UInt16(7)).map { member($0) }
        expect(.tooMany("replica set", 6)) {
            $0.members = members
            $0.lastNumber = NodeNumber(7)
            $0.removed = []
            $0.metadataQuorum = Assignment(replicas: members.prefix(6).map(\.number), changed: 1)
        }
    }

    func testContradictionsInAPlanAreRefused() {
        expect(.invalid("epoch of a plan"), in: both) { $0.plan?.id = 8 }
        expect(.invalid("target")) { $0.plan?.targets = [self.target(2, [1])] }
        expect(.invalid("target")) { $0.plan?.targets = [self.target(0, [])] }
        expect(.invalid("target")) { $0.plan?.targets = [self.target(0, [3])] }
        expect(.invalid("target")) { $0.plan?.targets = [self.target(0, [1, 1])] }
        expect(.invalid("order of targets")) { $0.plan?.targets = [self.target(1, [1]), self.target(0, [1])] }
        expect(.invalid("order of targets")) { $0.plan?.targets = [self.target(1, [1]), self.target(1, [2])] }
        expect(.tooMany("list of targets", 3)) {
            $0.plan?.targets = [self.target(0, [1]), self.target(1, [1]), self.target(1, [1])]
        }
    }

    /// The largest that there is: it must go through a frame, and not take long.
    func testATopologyOfEveryPartitionFitsAFrame() throws {
        let members = (1...UInt16(300)).map { member($0) }
        let numbers = members.map(\.number)
        let assignments = (0..<16384).map { partition in
            Assignment(
                replicas: (0..<5).map { numbers[(partition + $0 * 7) % 300] },
                next: (2..<7).map { numbers[(partition + $0 * 7) % 300] }, changed: 1_000_000)
        }
        let targets = (0..<16384).map {
            ChangePlan.Target(partition: PartitionID(UInt16($0)), replicas: assignments[$0].next ?? [])
        }
        let topology = Topology(
            clusterID: UUID128(high: 1, low: 2), epoch: 1_000_000,
            settings: ClusterSettings(name: "demo", partitions: 16384, replicas: 5), members: members,
            assignments: assignments, metadataQuorum: Assignment(replicas: Array(numbers.prefix(5)), changed: 1),
            plan: ChangePlan(
                id: 1_000_000, reason: .operatorAsked, targets: targets, moves: 1, minimum: 1, bytes: 1))
        var writer = FrameWriter()
        XCTAssertTrue(writer.append(.node(.cluster(.topology(topology)))))
        var reader = FrameReader(maximumPayload: FrameLimits.payload)
        reader.append(try XCTUnwrap(writer.finish()))
        var decoded: [PeerMessage] = []
        try FrameReader.decode(try XCTUnwrap(try reader.next()), into: &decoded)
        XCTAssertEqual(decoded, [.node(.cluster(.topology(topology)))])
    }

    /// Three nodes, three replicas: a topology is as long as its list of runs.
    func testNeighboursThatAreAlikeTakeNoRoom() {
        func length(_ partitions: Int) -> Int {
            TopologyCodec.encode(
                .initial(
                    clusterID: UUID128(high: 1, low: 2),
                    settings: ClusterSettings(name: "demo", partitions: partitions, replicas: 3),
                    members: (1...3).map { member($0) })
            ).count
        }
        XCTAssertLessThan(length(16384), 600)
        XCTAssertLessThan(length(16384), length(256) + 100)
    }

    func testRunsThatCouldBeWrittenOtherwiseAreRefused() throws {
        // Two partitions of one assignment, the bytes of whose run are replaced.
        var alike = topology()
        alike.assignments[1] = alike.assignments[0]
        alike.plan = nil
        for index in alike.members.indices { alike.members[index].status = .active }
        let bytes = TopologyCodec.encode(alike)
        let run: [UInt8] = [2, 0, 2, 1, 4, 0, 1, 5, 0]
        let place = try XCTUnwrap(bytes.indices.first { bytes[$0...].starts(with: run) })
        let others: [([UInt8], WireError)] = [
            ([1, 0, 2, 1, 4, 0, 1, 5, 0, 1, 1], .invalid("length of a run")),
            ([1, 0, 2, 1, 4, 0, 1, 5, 0, 1, 0, 2, 1, 4, 0, 1, 5, 0], .invalid("number of an assignment")),
            ([3, 0, 2, 1, 4, 0, 1, 5, 0], .invalid("length of a run")), ([0, 0], .invalid("length of a run")),
            ([2, 1], .invalid("number of an assignment")),
            ([2, 0, 0, 0, 1], .invalid("replica set")), ([2, 0, 1, 9, 0, 1, 5], .invalid("replica set")),
            ([2, 0, 2, 1, 4, 0, 7, 5, 0], .invalid("epoch of a change")),
            ([2, 0, 2, 1, 4, 0, 1, 6, 0], .invalid("epoch of membership")),
        ]
        for (other, error) in others {
            let spoiled = bytes[..<place] + other + bytes[(place + run.count)...]
            XCTAssertThrowsError(try TopologyCodec.decode(Array(spoiled)), "\(other)") {
                XCTAssertEqual($0 as? WireError, error, "\(other)")
            }
        }
    }

    func testEveryChangeComesBackAsItWas() throws {
        var random = SplitMix(seed: 4)
        var errors = 0
        for _ in 0..<1000 {
            let changes = (0..<1 + random.below(3)).map { _ in random.topologyChange() }
            var bytes = TopologyChangeCodec.encode(list: changes)
            XCTAssertEqual(try TopologyChangeCodec.decode(list: bytes), changes)
            XCTAssertThrowsError(try TopologyChangeCodec.decode(list: Array(bytes.dropLast())))
            bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            do {
                let decoded = try TopologyChangeCodec.decode(list: bytes)
                XCTAssertEqual(TopologyChangeCodec.encode(list: decoded), bytes)
            } catch {
                errors += 1
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    func testMoreChangesThanAMessageMayHaveAreRefused() {
        let change = TopologyChange(base: 1, epoch: 2)
        func decode(_ count: Int) throws {
            _ = try TopologyChangeCodec.decode(
                list: TopologyChangeCodec.encode(list: .init(repeating: change, count: count)))
        }
        XCTAssertNoThrow(try decode(TopologyChangeCodec.maximumChanges))
        XCTAssertThrowsError(try decode(TopologyChangeCodec.maximumChanges + 1)) {
            XCTAssertEqual($0 as? WireError, .tooMany("list of changes", 65))
        }
        XCTAssertLessThanOrEqual(ClusterOptions().maximumChanges, TopologyChangeCodec.maximumChanges)
    }

    func testAnotherFormatIsRefusedByName() {
        var bytes = TopologyCodec.encode(topology())
        bytes[0] = 9
        XCTAssertThrowsError(try TopologyCodec.decode(bytes)) {
            XCTAssertEqual($0 as? WireError, .formatVersion(9))
        }
        bytes[0] = 1
        XCTAssertThrowsError(try TopologyCodec.decode(bytes)) {
            XCTAssertEqual(
                "\($0)",
                "a topology of format 1; this program knows formats 2 and 3: run the version of kv that wrote it, or begin "
                    + "with an empty data directory")
        }
    }

    /// - Parameter formats: by default the one without runs, which says more that may be wrong.
    private func expect(
        _ error: WireError, in formats: [UInt8] = [TopologyCodec.formatWithoutRuns], line: UInt = #line,
        _ spoil: (inout Topology) -> Void
    ) {
        var topology = topology()
        spoil(&topology)
        for format in formats {
            XCTAssertThrowsError(try TopologyCodec.decode(TopologyCodec.encode(topology, format: format)), line: line) {
                XCTAssertEqual($0 as? WireError, error, line: line)
            }
        }
    }

    private func gone(_ number: UInt16) -> RemovedMember {
        RemovedMember(number: NodeNumber(number), id: "n\(number)", store: nil)
    }

    private func target(_ partition: UInt16, _ replicas: [UInt16]) -> ChangePlan.Target {
        ChangePlan.Target(partition: PartitionID(partition), replicas: replicas.map { NodeNumber($0) })
    }
}

private func member(_ number: UInt16) -> Member {
    Member(
        number: NodeNumber(number), id: "n\(number)", client: Address(host: "a", port: 7400 + Int(number)),
        peer: Address(host: "::1", port: 7500 + Int(number)), zone: "z", weight: 1)
}

/// Two members, the second of which joins; one was removed; of two partitions the second moves.
func topology() -> Topology {
    var members = [member(1), member(4)]
    members[1].store = UUID128(high: 3, low: 4)
    members[1].status = .joining
    return Topology(
        clusterID: UUID128(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10), epoch: 7,
        settings: ClusterSettings(name: "demo", partitions: 2, replicas: 3), members: members,
        lastNumber: NodeNumber(5),
        removed: [RemovedMember(number: NodeNumber(2), id: "n2", store: UUID128(high: 5, low: 6))],
        assignments: [
            Assignment(replicas: [NodeNumber(1), NodeNumber(4)], changed: 6, since: [1, 6]),
            Assignment(replicas: [NodeNumber(1)], next: [NodeNumber(4), NodeNumber(1)], changed: 6, since: [1, 6]),
        ],
        metadataQuorum: Assignment(replicas: [NodeNumber(1)], changed: 3, since: [1]),
        plan: ChangePlan(
            id: 5, reason: .operatorAsked,
            targets: [ChangePlan.Target(partition: PartitionID(1), replicas: [NodeNumber(4), NodeNumber(1)])],
            moves: 2, minimum: 1, bytes: 300))
}
