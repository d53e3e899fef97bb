import Foundation
import KVCore
import KVStorage
import KVWire
import XCTest

@testable import KVNode

/// Tests how topologies come to the disk: as a whole, or by what they change.
final class StoredTopologyTests: XCTestCase {
    private let fixture = try? DirectoryFixture()
    private let three = """
        cluster: {name: demo, partitions: 64}
        nodes:
          - {id: n1, client: "127.0.0.1:7401", peer: "127.0.0.1:7501"}
          - {id: n2, client: "127.0.0.1:7402", peer: "127.0.0.1:7502"}
          - {id: n3, client: "127.0.0.1:7403", peer: "127.0.0.1:7503"}
        """

    private func open() throws -> DataDirectory {
        try DataDirectory.open(XCTUnwrap(fixture).configuration(three) { $0.node = "n1" })
    }

    /// The topology of the next epoch, with a pause as what is new.
    private func next(_ topology: Topology) throws -> (Topology, TopologyChange) {
        var next = topology
        next.epoch += 1
        if next.plan == nil {
            next.plan = ChangePlan(id: next.epoch, reason: .operatorAsked, targets: [], moves: 0, minimum: 0, bytes: 0)
        } else {
            next.plan?.isPaused.toggle()
        }
        return (next, try XCTUnwrap(TopologyChange(from: topology, to: next)))
    }

    /// Writes so many topologies after the directory's, each by what it changes.
    private func advance(_ directory: DataDirectory, _ count: Int) throws -> Topology {
        var topology = try XCTUnwrap(StoredTopology.read(in: directory.path))
        for _ in 0..<count {
            let (later, change) = try next(topology)
            try directory.persist(later, changes: [change])
            topology = later
        }
        return topology
    }

    private func whole(_ path: String) throws -> Epoch {
        try TopologyCodec.decode(XCTUnwrap(IdentityFile.readEntry("topology", directory: path))).epoch
    }

    func testChangesAreAppendedAndFoundAgain() throws {
        var path = ""
        let last: Topology = try {
            let directory = try open()
            path = directory.path
            let last = try advance(directory, 20)
            XCTAssertEqual(try whole(path), 1, "the whole was not written again")
            XCTAssertEqual(try ChangeLog.records(in: path)?.count, 20)
            // Several at once are one record.
            let (second, first) = try next(last)
            let (third, then) = try next(second)
            try directory.persist(third, changes: [first, then])
            XCTAssertEqual(try ChangeLog.records(in: path)?.count, 21)
            return third
        }()
        let again = try open()
        XCTAssertEqual(again.topology, last)
        _ = try advance(again, 1)
        XCTAssertEqual(try ChangeLog.records(in: path)?.count, 22, "the next process goes on with the log")
    }

    func testAWholeOneClearsTheLog() throws {
        let directory = try open()
        var topology = try advance(directory, 3)
        topology.epoch += 5
        try directory.persist(topology, changes: nil)
        XCTAssertEqual(try whole(directory.path), topology.epoch)
        XCTAssertEqual(try ChangeLog.records(in: directory.path), [])
        // What does not change the one on disk is of no use there.
        let (later, _) = try next(topology)
        let (latest, change) = try next(later)
        try directory.persist(latest, changes: [change])
        XCTAssertEqual(try whole(directory.path), latest.epoch)
        XCTAssertEqual(try StoredTopology.read(in: directory.path), latest)
    }

    func testALogThatIsLongerThanTheWholeIsFolded() throws {
        let directory = try open()
        let last = try advance(directory, 2000)
        XCTAssertGreaterThan(try whole(directory.path), 1)
        let size = try FileManager.default.attributesOfItem(atPath: "\(directory.path)/topology.log")[.size] as? Int
        XCTAssertLessThan(try XCTUnwrap(size), 17 << 10)
        XCTAssertEqual(try StoredTopology.read(in: directory.path), last)
    }

    /// The process has ended after it had written the whole, and before it had cleared the log.
    func testRecordsOfEarlierEpochsArePassedOver() throws {
        let directory = try open()
        _ = try advance(directory, 3)
        let log = try Data(contentsOf: URL(fileURLWithPath: "\(directory.path)/topology.log"))
        var topology = try advance(directory, 1)
        topology.epoch += 1
        try directory.persist(topology)
        try log.write(to: URL(fileURLWithPath: "\(directory.path)/topology.log"))
        XCTAssertEqual(try StoredTopology.read(in: directory.path), topology)
    }

    func testAGapOrAMissingLogIsRefused() throws {
        let path: String = try {
            let directory = try open()
            _ = try advance(directory, 1)
            return directory.path
        }()
        let old = try Data(contentsOf: URL(fileURLWithPath: "\(path)/identity"))
        try {
            let directory = try open()
            var topology = try advance(directory, 1)
            topology.epoch += 1
            try directory.persist(topology)
            _ = try advance(directory, 1)
        }()
        let log = "\(path)/topology.log"
        let good = try Data(contentsOf: URL(fileURLWithPath: log))
        // The identity file is put back to what it was before the whole was written: the log does not follow it.
        try old.write(to: URL(fileURLWithPath: "\(path)/identity"))
        XCTAssertThrowsError(try open()) { error in
            XCTAssertTrue("\(error)".contains("\(log) is damaged"), "\(error)")
            XCTAssertTrue("\(error)".contains("what was changed after epoch 1"), "\(error)")
        }
        try FileManager.default.removeItem(atPath: log)
        XCTAssertThrowsError(try open()) { error in
            XCTAssertTrue("\(error)".contains("it is not there"), "\(error)")
        }
        try good.write(to: URL(fileURLWithPath: log))
    }

    /// The version before does not know the log, nor the present format of a topology. So it refuses a directory with a
    /// log rather than go by the whole alone.
    func testAWholeOfTheVersionBeforeIsReadAndReplacedFirst() throws {
        let path = try open().path
        try {
            let file = try IdentityFile(
                directory: path, lock: try IdentityFile.lock(path), node: "n1", cluster: nil, newStore: .unknown,
                newShards: 1, nonce: 1)
            let topology = try XCTUnwrap(StoredTopology.read(in: path))
            try file.setEntry(
                "topology", TopologyCodec.encode(topology, format: TopologyCodec.formatWithoutRuns))
        }()
        let directory = try open()
        XCTAssertEqual(directory.topology?.epoch, 1)
        let last = try advance(directory, 1)
        XCTAssertEqual(try whole(path), 2)
        XCTAssertEqual(IdentityFile.readEntry("topology", directory: path)?.first, TopologyCodec.format)
        XCTAssertNil(try ChangeLog.records(in: path))
        XCTAssertEqual(try StoredTopology.read(in: path), last)
    }
}
