import KVCore
import XCTest

@testable import KVAPI

/// Commands on all keys: whose they are about.
final class OwnShareTests: XCTestCase {
    // Of the fake cluster's four partitions: led by n1, n2, n1, and nobody, whose preferred leader is n1.
    private let share = KeyScope.partitions([PartitionID(0), PartitionID(2), PartitionID(3)])

    func testPlainClientsAreToldOfTheWholeCluster() throws {
        let door = try RESPTestDoor()
        for line in ["dbsize", "scan 0", "keys *", "randomkey", "flushall", "cluster info", "cluster myid", "dbsize"] {
            _ = door.exchange(line)
        }
        XCTAssertEqual(door.backend.counted, [.cluster, .cluster])
        XCTAssertEqual(Set(door.backend.listed.map(\.scope)), [.cluster])
    }

    func testWhoHasAskedForTheMapIsToldOfTheNodesShare() throws {
        for question in ["slots", "shards", "nodes"] {
            let door = try RESPTestDoor()
            _ = door.exchange("cluster \(question)")
            for line in ["dbsize", "scan 0", "keys *", "randomkey", "flushall", "flushdb"] { _ = door.exchange(line) }
            XCTAssertEqual(door.backend.counted, [share], question)
            XCTAssertGreaterThanOrEqual(door.backend.listed.count, 5)
            XCTAssertEqual(Set(door.backend.listed.map(\.scope)), [share], question)
            // It is the connection's.
            let other = try RESPTestDoor(door.door, door.backend)
            _ = other.exchange("dbsize")
            _ = door.exchange("reset")
            _ = door.exchange("dbsize")
            XCTAssertEqual(door.backend.counted, [share, .cluster, .cluster], question)
        }
    }

    func testTheSettingSaysWhoseTheyAre() throws {
        for (keyspace, redirects, expected) in [
            (NodeFacts.Keyspace.auto, true, share), (.node, false, share), (.node, true, share),
            (.cluster, false, .cluster), (.cluster, true, .cluster),
        ] {
            let door = try RESPTestDoor(redirects: redirects, keyspace: keyspace)
            for line in ["dbsize", "flushall", "keys *"] { _ = door.exchange(line) }
            XCTAssertEqual(door.backend.counted, [expected], "\(keyspace), moved: \(redirects)")
            XCTAssertEqual(Set(door.backend.listed.map(\.scope)), [expected], "\(keyspace), moved: \(redirects)")
        }
        let door = try RESPTestDoor(keyspace: .cluster)
        _ = door.exchange("cluster slots")
        _ = door.exchange("dbsize")
        XCTAssertEqual(door.backend.counted, [.cluster])
    }

    /// The leaders change while a SCAN is under way: it goes by the share that it began with, to its end.
    func testAScanKeepsItsShare() throws {
        let door = try RESPTestDoor(keyspace: .node)
        let next = ListCursor(partition: PartitionID(2), key: nil)
        door.backend.page = .success(ListReply(entries: [(Key("a"), nil)], next: next))
        _ = door.exchange("scan 0")
        door.backend.cluster?.leaders = [1, 1, 2, 2].map { NodeNumber($0) }
        _ = door.exchange("scan \(ScanCursor(next).raw)")
        XCTAssertEqual(door.backend.listed.map(\.scope), [share, share])
        // Another connection of the client's pool goes by what is led now.
        let other = try RESPTestDoor(door.door, door.backend)
        _ = other.exchange("scan \(ScanCursor(next).raw)")
        let present = KeyScope.partitions([PartitionID(0), PartitionID(1)])
        XCTAssertEqual(door.backend.listed.last?.scope, present)
        // So do its other commands, and its next SCAN.
        _ = door.exchange("dbsize")
        XCTAssertEqual(door.backend.counted, [present])
        door.backend.page = .success(ListReply(entries: [], next: nil))
        _ = door.exchange("scan \(ScanCursor(next).raw)")
        _ = door.exchange("scan \(ScanCursor(next).raw)")
        XCTAssertEqual(door.backend.listed.suffix(2).map(\.scope), [share, present])
    }

    /// A command of several pages is about the same keys from the first to the last.
    func testKeysKeepsItsShare() throws {
        let door = try RESPTestDoor(keyspace: .node)
        let next = ListCursor(partition: PartitionID(2), key: nil)
        door.backend.pages = [
            .success(ListReply(entries: [(Key("a"), nil)], next: next)), .success(ListReply(entries: [], next: nil)),
        ]
        _ = door.exchange("keys *")
        XCTAssertEqual(door.backend.listed.map(\.scope), [share, share])
    }

    func testANodeThatIsNoMemberSaysSo() throws {
        let door = try RESPTestDoor(keyspace: .node)
        door.backend.cluster = nil
        XCTAssertTrue(door.exchange("dbsize").hasPrefix("-CLUSTERDOWN this node is not a"))
        XCTAssertTrue(door.exchange("scan 0").hasPrefix("-CLUSTERDOWN this node is not a"))
    }
}
