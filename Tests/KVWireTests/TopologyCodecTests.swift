import KVCore
import XCTest

@testable import KVWire

final class TopologyCodecTests: XCTestCase {
    func testEveryTopologyComesBackAsItWas() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<300 {
            let topology = random.topology()
            XCTAssertEqual(try TopologyCodec.decode(TopologyCodec.encode(topology)), topology)
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
        for _ in 0..<3000 {
            var bytes = TopologyCodec.encode(random.topology())
            bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            do {
                let decoded = try TopologyCodec.decode(bytes)
                XCTAssertEqual(TopologyCodec.encode(decoded), bytes)
            } catch {
                errors += 1
            }
        }
        XCTAssertGreaterThan(errors, 0)
    }

    func testContradictionsAreRefused() {
        let good = topology()
        XCTAssertNoThrow(try TopologyCodec.decode(TopologyCodec.encode(good)))
        expect(.invalid("number of partitions")) { $0.settings.partitions = 3 }
        expect(.invalid("number of partitions")) { $0.settings.partitions = 0 }
        expect(.invalid("number of replicas")) { $0.settings.replicas = 0 }
        expect(.invalid("order of members")) { $0.members.reverse() }
        expect(.invalid("order of members")) { $0.members[1].number = NodeNumber(1) }
        expect(.invalid("weight")) { $0.members[0].weight = 0 }
        expect(.invalid("replica set")) { $0.assignments[0].replicas = [] }
        expect(.invalid("replica set")) { $0.assignments[0].replicas = [NodeNumber(1), NodeNumber(1)] }
        expect(.invalid("replica set")) { $0.assignments[1].replicas = [NodeNumber(9)] }
        expect(.tooMany("next replica set", 3)) { $0.assignments[1].next = [1, 2, 9].map { NodeNumber($0) } }
        expect(.trailingBytes(3)) { $0.assignments.append(Assignment(replicas: [], changed: 1)) }
    }

    func testAnotherFormatIsRefusedByName() {
        var bytes = TopologyCodec.encode(topology())
        bytes[0] = 9
        XCTAssertThrowsError(try TopologyCodec.decode(bytes)) {
            XCTAssertEqual($0 as? WireError, .formatVersion(9))
        }
    }

    private func expect(_ error: WireError, line: UInt = #line, _ spoil: (inout Topology) -> Void) {
        var topology = topology()
        spoil(&topology)
        XCTAssertThrowsError(try TopologyCodec.decode(TopologyCodec.encode(topology)), line: line) {
            XCTAssertEqual($0 as? WireError, error, line: line)
        }
    }
}

/// Two members, two partitions.
func topology() -> Topology {
    let members = [UInt16(1), 2].map {
        Member(
            number: NodeNumber($0), id: "n\($0)", client: Address(host: "a", port: 7400 + Int($0)),
            peer: Address(host: "::1", port: 7500 + Int($0)), zone: "z", weight: 1)
    }
    return Topology(
        clusterID: UUID128(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10), epoch: 1,
        settings: ClusterSettings(name: "demo", partitions: 2, replicas: 3), members: members,
        assignments: [
            Assignment(replicas: [NodeNumber(1), NodeNumber(2)], changed: 1),
            Assignment(replicas: [NodeNumber(2)], next: [NodeNumber(1)], changed: 1),
        ])
}
