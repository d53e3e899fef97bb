import Foundation
import KVCore
import KVStorage
import XCTest

/// Tests clusters that get more partitions than they were created with, while clients are at work.
final class MorePartitionsTests: XCTestCase {
    private static let members = ["n1", "n2", "n3"]

    /// A cluster of three whose nodes hold the samples in 16 partitions.
    private func cluster(spares: Int = 0, settings: String = "storage: {shards: 2}\n") throws -> TestCluster {
        let cluster = try TestCluster(spares: spares, partitions: 16, settings: settings)
        try cluster.startAndWait()
        try Sample.put(Sample.all, on: cluster.connections(to: Self.members))
        return cluster
    }

    private func partitions(_ cluster: TestCluster) throws -> [Int] {
        try cluster.running.map { try cluster.ring($0).partitions }
    }

    /// All nodes go by as many partitions, and each slot is in one of them.
    private func assertPartitions(_ cluster: TestCluster, _ count: Int, of founding: Int = 16) throws {
        try cluster.wait(for: "all nodes to have \(count) partitions") {
            try partitions(cluster).allSatisfy { $0 == count }
        }
        for id in cluster.running {
            let ring = try cluster.ring(id)
            XCTAssertEqual(ring.assignments.count, count)
            var next = 0
            for assignment in ring.assignments {
                XCTAssertEqual(assignment.firstSlot, next)
                next = assignment.lastSlot + 1
            }
            XCTAssertEqual(next, Slot.count)
            XCTAssertFalse(ring.assignments.contains { $0.partition == founding }, "that is the metadata partition")
        }
    }

    func testPartitionsAreSplitWithoutAFailedRequest() throws {
        let cluster = try cluster(spares: 1)
        let load = Load(cluster, prefix: "split-")
        load.start(at: Self.members)
        defer { load.stop() }

        let preview = try cluster.kv("ring", "--split", "64", "--dry-run")
        XCTAssertEqual(preview.status, 0, preview.errors)
        XCTAssertTrue(preview.text.hasPrefix("16 partitions now, 64 when it is done"), preview.text)
        XCTAssertEqual(try partitions(cluster), [16, 16, 16], "a dry run changes nothing")
        let split = try cluster.kv("ring", "--split", "64", "--yes")
        XCTAssertEqual(split.status, 0, split.errors)
        XCTAssertTrue(split.text.hasSuffix(": there are 64 partitions\n"), split.text)
        try assertPartitions(cluster, 64)
        let less = try cluster.kv("ring", "--split", "32", "--yes")
        XCTAssertEqual(less.status, 2)
        XCTAssertTrue(less.errors.hasPrefix("kv: there are 64 partitions, and they can only become more"), less.errors)
        XCTAssertEqual(try cluster.kv("ring", "--split", "64", "--yes").text, "there are 64 partitions already\n")
        try Sample.assertThere(Sample.all, on: cluster.connections(to: Self.members), shift: 1)

        // A node that never had fewer takes its share of them. Its file says what all files say.
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to be heard of") { try cluster.state(of: "n4", seenBy: "n1") == "waiting" }
        let join = try cluster.kv("join", "n4", "--yes", at: Self.members)
        XCTAssertEqual(join.status, 0, join.errors)
        try assertBalanced(cluster, nodes: 4)
        try assertPartitions(cluster, 64)
        load.stop()
        XCTAssertEqual(load.all.filter { !$0.outcome.isDone }.map(\.description), [], "no request has failed")
        try load.readAll(at: Self.members + ["n4"])
        load.check()
        try assertEqualCopies(cluster, load, observer: "n4")
        try Sample.assertThere(Sample.all, on: cluster.connections(to: ["n4"]), shift: 2)

        let logs = Self.members.map(cluster.log).joined()
        XCTAssertTrue(logs.contains("partitions to be split until there are 64, of 16 now; nothing is copied"), logs)
        XCTAssertTrue(logs.contains("the plan is done: there are 64 partitions"), logs)
        // The split outlives all processes.
        cluster.killNow()
        try cluster.start("n1", "n2", "n3", "n4")
        try cluster.waitUntilReady("n1", "n2", "n3", "n4")
        try assertPartitions(cluster, 64)
        try Sample.assertThere(Sample.all, on: cluster.connections(to: Self.members), shift: 3)
    }

    func testASplitIsPausedCancelledAndGoneOnWith() throws {
        let cluster = try cluster()
        let load = Load(cluster, prefix: "stop-")
        load.start(at: ["n1", "n2"])
        defer { load.stop() }

        let split = try cluster.kv("ring", "--split", "1024", "--yes", "--no-wait")
        XCTAssertEqual(split.status, 0, split.errors)
        try cluster.wait(for: "splits to be under way") { try cluster.ring("n1").partitions > 16 }
        let pause = try cluster.kv("ring", "--pause")
        XCTAssertEqual(pause.status, 0, pause.errors)
        XCTAssertTrue(pause.text.hasSuffix(" of 1024 partitions, paused; 'kv ring --resume' goes on\n"), pause.text)
        usleep(500_000)
        let paused = try partitions(cluster)
        usleep(1_500_000)
        XCTAssertEqual(try partitions(cluster), paused, "nothing is split while it is paused")
        XCTAssertTrue(try cluster.kv("ring").text.contains("'kv ring --resume' goes on with it"))
        let resume = try cluster.kv("ring", "--resume", "--no-wait")
        XCTAssertEqual(resume.status, 0, resume.errors)
        try cluster.wait(for: "splits to go on") { try cluster.ring("n1").partitions > paused[0] }
        let cancel = try cluster.kv("ring", "--cancel")
        XCTAssertEqual(cancel.status, 0, cancel.errors)
        XCTAssertTrue(cancel.text.contains("what was split stays so"), cancel.text)
        let left = try cluster.ring("n1").partitions
        XCTAssertLessThan(left, 1024)
        try assertPartitions(cluster, left)
        try Sample.assertThere(Sample.all, on: cluster.connections(to: Self.members), shift: 1)

        // Asked again, it goes on, though a node is killed on the way and has to take what it missed.
        let again = try cluster.kv("ring", "--split", "1024", "--yes", "--no-wait")
        XCTAssertEqual(again.status, 0, again.errors)
        try cluster.wait(for: "splits to be under way") { try cluster.ring("n1").partitions > left }
        cluster.killNow("n3")
        usleep(500_000)
        let recovered = Time.now
        usleep(500_000)
        try cluster.start("n3")
        let rest = try cluster.kv("ring", "--split", "1024", "--yes", at: ["n1", "n2"])
        XCTAssertEqual(rest.status, 0, rest.errors)
        try cluster.waitUntilReady()
        try assertPartitions(cluster, 1024)
        try cluster.waitUntilBalanced()
        load.stop()
        let failed = load.events(from: recovered).filter { !$0.outcome.isDone }
        XCTAssertEqual(failed.map(\.description), [], "nothing fails but what the kill cut off")
        try load.readAll(at: Self.members)
        load.check()
        try assertEqualCopies(cluster, load, observer: "n3")
        try Sample.assertThere(Sample.all, on: cluster.connections(to: Self.members), shift: 2)
        XCTAssertTrue(
            Self.members.contains { cluster.log($0).contains("no more partitions are split; there are \(left)") })
    }

    // MARK: A store that is behind its topology

    private static let many = 10_000

    private func name(_ number: Int) -> String { "many-\(number)" }

    /// So many keys that a store takes some time to divide them.
    private func putMany(at id: String, _ cluster: TestCluster) throws {
        let connection = try cluster.connect(id)
        for start in stride(from: 0, to: Self.many, by: 1000) {
            let words = ["MSET"] + (start..<start + 1000).flatMap { [name($0), "\($0)"] }
            let text = "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
            XCTAssertTrue(connection.send(text))
        }
        XCTAssertTrue(connection.send("QUIT\r\n"))
        let replies = String(decoding: connection.readToEnd(), as: UTF8.self)
        XCTAssertEqual(replies, String(repeating: "+OK\r\n", count: Self.many / 1000 + 1))
    }

    private func assertHasMany(at id: String, _ cluster: TestCluster) throws {
        var missing = Set((0..<Self.many).map { Key(name($0)) })
        var cursor = ""
        repeat {
            let answer = try cluster.http(id, "GET", "/v1/kv?prefix=many-&limit=1000\(cursor)")
            let page = try JSONDecoder().decode(Page.self, from: Data(answer.body))
            for entry in page.keys { XCTAssertNotNil(missing.remove(Key(entry.key)), "\(entry.key) is listed twice") }
            cursor = page.cursor.map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty
        XCTAssertEqual(missing, [])
    }

    private struct Page: Decodable {
        struct Entry: Decodable { var key: String }
        var keys: [Entry]
        var cursor: String?
    }

    /// Whether the store of a node that is down has carried out fewer splits than make `count` partitions of 4. (A copy
    /// of it is opened with a topology of one split less, which no store may be ahead of.)
    private func isBehind(_ count: Int, _ id: String, _ cluster: TestCluster) throws -> Bool {
        let copy = cluster.directory.appendingPathComponent("copy").path
        try FileManager.default.copyItem(atPath: cluster.data(id) + "/shard-0", toPath: copy)
        defer { try? FileManager.default.removeItem(atPath: copy) }
        let entry = try XCTUnwrap(IdentityFile.readEntry("store", directory: cluster.data(id)))
        let store = try XCTUnwrap(UUID128(String(decoding: entry, as: UTF8.self)))
        do throws(StoreError) {
            _ = try LogStore.open(
                StoreOptions(directory: copy, store: store), slots: SlotMap(founding: 4, count: count - 1))
            return true
        } catch {
            guard case .outdated = error else { throw error }
            return false
        }
    }

    /// A node is killed while a plan is under way, and again when it is back and has the new topology on disk, which
    /// its store has yet to follow. The next start does.
    func testANodeIsKilledBeforeItsStoreHasFollowedItsTopology() throws {
        let cluster = try TestCluster(partitions: 4, settings: "storage: {shards: 1}\n")
        try cluster.startAndWait()
        try putMany(at: "n1", cluster)
        let load = Load(cluster, prefix: "behind-")
        load.start(at: ["n1", "n2"])
        defer { load.stop() }

        let split = try cluster.kv("ring", "--split", "64", "--yes", "--no-wait")
        XCTAssertEqual(split.status, 0, split.errors)
        try cluster.wait(for: "splits to be under way") { try cluster.ring("n1").partitions > 4 }
        cluster.killNow("n3")
        XCTAssertLessThan(try cluster.ring("n1").partitions, 64, "the plan is under way")
        try cluster.wait(for: "the others to go on without it") { try cluster.ring("n1").partitions == 64 }

        try cluster.start("n3")
        try cluster.wait(for: "n3 to have the topology") { (try? cluster.ring("n3").partitions) == 64 }
        cluster.killNow("n3")
        XCTAssertTrue(try isBehind(64, "n3", cluster))
        // By itself it has all that it had before: the others do not repair it.
        cluster.killNow()
        try cluster.start("n3")
        try cluster.wait(for: "n3 to listen") { (try? cluster.ring("n3").partitions) == 64 }
        let own = try cluster.connect("n3")
        for number in stride(from: 0, to: Self.many, by: 10) {
            own.sendRequest("GET", "/v1/kv/\(name(number))?consistency=stale")
        }
        let missing = try stride(from: 0, to: Self.many, by: 10).filter { try own.answer().text != "\($0)" }
        XCTAssertEqual(missing, [])
        try cluster.start("n1", "n2")
        try cluster.waitUntilReady()
        try assertPartitions(cluster, 64, of: 4)
        try cluster.waitUntilBalanced()
        XCTAssertGreaterThan(try cluster.leads("n3", seenBy: "n1"), 0, "it leads again")
        load.stop()
        try load.readAll(at: Self.members)
        load.check()
        try assertEqualCopies(cluster, load, observer: "n3")
        try assertHasMany(at: "n3", cluster)
    }
}
