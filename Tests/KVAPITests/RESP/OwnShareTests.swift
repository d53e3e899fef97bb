import KVCore
import XCTest

@testable import KVAPI

/// Commands on all keys: whose they are about.
final class OwnShareTests: XCTestCase {
    // Of the fake cluster's four partitions: led by n1, n2, n1, and nobody, whose preferred leader is n1.
    private let share = KeyScope.slots([
        Slot(0)...Slot(4095), Slot(8192)...Slot(12287), Slot(12288)...Slot(16383),
    ])

    func testPlainClientsAreToldOfTheWholeCluster() throws {
        let client = try RESPTestClient()
        for line in ["dbsize", "scan 0", "keys *", "randomkey", "flushall", "cluster info", "cluster myid", "dbsize"] {
            _ = client.exchange(line)
        }
        XCTAssertEqual(client.backend.counted, [.cluster, .cluster])
        XCTAssertEqual(Set(client.backend.listed.map(\.scope)), [.cluster])
    }

    func testWhoHasAskedForTheMapIsToldOfTheNodesShare() throws {
        for question in ["slots", "shards", "nodes"] {
            let client = try RESPTestClient()
            _ = client.exchange("cluster \(question)")
            for line in ["dbsize", "scan 0", "keys *", "randomkey", "flushall", "flushdb"] { _ = client.exchange(line) }
            XCTAssertEqual(client.backend.counted, [share], question)
            XCTAssertGreaterThanOrEqual(client.backend.listed.count, 5)
            XCTAssertEqual(Set(client.backend.listed.map(\.scope)), [share], question)
            // It is the connection's.
            let other = try RESPTestClient(client.listener, client.backend)
            _ = other.exchange("dbsize")
            _ = client.exchange("reset")
            _ = client.exchange("dbsize")
            XCTAssertEqual(client.backend.counted, [share, .cluster, .cluster], question)
        }
    }

    func testTheSettingSaysWhoseTheyAre() throws {
        for (keyspace, redirects, expected) in [
            (NodeInfo.Keyspace.auto, true, share), (.node, false, share), (.node, true, share),
            (.cluster, false, .cluster), (.cluster, true, .cluster),
        ] {
            let client = try RESPTestClient(redirects: redirects, keyspace: keyspace)
            for line in ["dbsize", "flushall", "keys *"] { _ = client.exchange(line) }
            XCTAssertEqual(client.backend.counted, [expected], "\(keyspace), moved: \(redirects)")
            XCTAssertEqual(Set(client.backend.listed.map(\.scope)), [expected], "\(keyspace), moved: \(redirects)")
        }
        let client = try RESPTestClient(keyspace: .cluster)
        _ = client.exchange("cluster slots")
        _ = client.exchange("dbsize")
        XCTAssertEqual(client.backend.counted, [.cluster])
    }

    /// The leaders change while a SCAN is under way: it goes by the share that it began with, to its end.
    func testAScanKeepsItsShare() throws {
        let client = try RESPTestClient(keyspace: .node)
        let next = ListCursor(slot: Slot(8192))
        client.backend.page = .success(ListReply(entries: [(Key("a"), nil)], next: next))
        _ = client.exchange("scan 0")
        client.backend.cluster?.leaders = [1, 1, 2, 2].map { NodeNumber($0) }
        _ = client.exchange("scan \(ScanCursor(next).raw)")
        XCTAssertEqual(client.backend.listed.map(\.scope), [share, share])
        // Another connection of the client's pool goes by what is led now.
        let other = try RESPTestClient(client.listener, client.backend)
        _ = other.exchange("scan \(ScanCursor(next).raw)")
        let present = KeyScope.slots([Slot(0)...Slot(4095), Slot(4096)...Slot(8191)])
        XCTAssertEqual(client.backend.listed.last?.scope, present)
        // So do its other commands, and its next SCAN.
        _ = client.exchange("dbsize")
        XCTAssertEqual(client.backend.counted, [present])
        client.backend.page = .success(ListReply(entries: [], next: nil))
        _ = client.exchange("scan \(ScanCursor(next).raw)")
        _ = client.exchange("scan \(ScanCursor(next).raw)")
        XCTAssertEqual(client.backend.listed.suffix(2).map(\.scope), [share, present])
    }

    /// A command of several pages is about the same keys from the first to the last.
    func testKeysKeepsItsShare() throws {
        let client = try RESPTestClient(keyspace: .node)
        let next = ListCursor(slot: Slot(8192))
        client.backend.pages = [
            .success(ListReply(entries: [(Key("a"), nil)], next: next)), .success(ListReply(entries: [], next: nil)),
        ]
        _ = client.exchange("keys *")
        XCTAssertEqual(client.backend.listed.map(\.scope), [share, share])
    }

    func testANodeThatIsNoMemberSaysSo() throws {
        let client = try RESPTestClient(keyspace: .node)
        client.backend.cluster = nil
        XCTAssertTrue(client.exchange("dbsize").hasPrefix("-CLUSTERDOWN this node is not a"))
        XCTAssertTrue(client.exchange("scan 0").hasPrefix("-CLUSTERDOWN this node is not a"))
    }
}
