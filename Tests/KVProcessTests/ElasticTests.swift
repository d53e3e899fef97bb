import Foundation
import KVCore
import XCTest

/// Tests nodes that join and leave while clients are at work.
final class ElasticTests: XCTestCase {
    private static let stay = ["n1", "n2", "n3"]
    private static let come = ["n4", "n5", "n6"]

    func testThreeGrowToSixAndShrinkBackWithoutAFailedRequest() throws {
        let cluster = try TestCluster(spares: 3)
        try cluster.startAndWait()
        let samples = Sample.all
        try Sample.put(samples, on: cluster.connections(to: Self.stay))
        let load = Load(cluster, prefix: "grow-")
        load.start(at: Self.stay)
        defer { load.stop() }

        for id in Self.come { try cluster.startPendingNode(id) }
        try cluster.wait(for: "the joining nodes to be heard of") {
            try Self.come.allSatisfy { try cluster.state(of: $0, seenBy: "n1") == "waiting" }
        }
        XCTAssertEqual(try cluster.http("n4", "GET", "/health/ready").status, 503)

        let preview = try cluster.kv("join", "n4", "n5", "n6", "--dry-run", at: Self.stay)
        XCTAssertEqual(preview.status, 0, preview.errors)
        XCTAssertEqual(try cluster.state(of: "n4", seenBy: "n1"), "waiting", "a dry run changes nothing")
        let join = try cluster.kv("join", "n4", "n5", "n6", "--yes", at: Self.stay)
        XCTAssertEqual(join.status, 0, join.errors)
        try assertBalanced(cluster, nodes: 6)
        try assertEqualCopies(cluster, load, observer: "n5")
        try Sample.assertThere(samples, on: cluster.connections(to: Self.come), shift: 1)

        let leave = try cluster.kv("leave", "n4", "n5", "n6", "--yes", at: Self.stay)
        XCTAssertEqual(leave.status, 0, leave.errors)
        // A node that has left ends by itself. The checks that follow ask all nodes that run.
        for id in Self.come { XCTAssertEqual(try cluster.end(of: id), .exited(0), cluster.log(id)) }
        try assertBalanced(cluster, nodes: 3)
        usleep(300_000)
        load.stop()
        let failed = load.all.filter { !$0.outcome.isDone }.map(\.description)
        XCTAssertEqual(failed, [], "no request has failed")
        try load.readAll(at: Self.stay)
        load.check()
        try assertEqualCopies(cluster, load, observer: "n1")
        try Sample.assertThere(samples, on: cluster.connections(to: Self.stay), shift: 2)
    }

    /// The joining node has another number of shards than the members: nothing may rest on all having the same.
    func testNodesOfSeveralShardsGrowAndLoseOne() throws {
        let cluster = try TestCluster(spares: 1, settings: "storage: {shards: 3, sync: never}\n")
        try cluster.startAndWait()
        let samples = Sample.all
        try Sample.put(samples, on: cluster.connections(to: Self.stay))
        let load = Load(cluster, prefix: "shards-")
        load.start(at: ["n1", "n2"])
        defer { load.stop() }

        try cluster.replaceSetting("shards: 3", with: "shards: 2")
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to be heard of") { try cluster.state(of: "n4", seenBy: "n1") == "waiting" }
        let join = try cluster.kv("join", "n4", "--yes", at: Self.stay)
        XCTAssertEqual(join.status, 0, join.errors)
        try assertBalanced(cluster, nodes: 4)
        XCTAssertEqual(load.all.filter { !$0.outcome.isDone }.map(\.description), [], "no request has failed")
        XCTAssertEqual(try cluster.shards(of: "n3"), 3)
        XCTAssertEqual(try cluster.shards(of: "n4"), 2)

        cluster.killNow("n3")
        usleep(500_000)
        let recovered = Time.now
        usleep(500_000)
        // It keeps the shards that it has.
        try cluster.start("n3")
        try cluster.waitUntilReady()
        try cluster.waitUntilBalanced()
        load.stop()
        let failed = load.events(from: recovered).filter { !$0.outcome.isDone }
        XCTAssertEqual(failed.map(\.description), [], "nothing fails but what the kill cut off")
        XCTAssertEqual(try cluster.shards(of: "n3"), 3)
        try load.readAll(at: Self.stay)
        load.check()
        try assertEqualCopies(cluster, load, observer: "n4")
        try Sample.assertThere(samples, on: cluster.connections(to: ["n3", "n4"]), shift: 1)
    }

    func testADeadMachineIsReplacedByAnEmptyOne() throws {
        let cluster = try TestCluster(spares: 1)
        try cluster.startAndWait()
        let samples = Sample.all
        try Sample.put(samples, on: cluster.connections(to: Self.stay))
        let load = Load(cluster, prefix: "replace-")
        load.start(at: ["n1", "n2"])
        defer { load.stop() }
        usleep(500_000)
        cluster.killNow("n3")
        try cluster.eraseData(of: "n3")

        // As if nothing had happened: its store is not the one that is known.
        try cluster.start("n3")
        try cluster.wait(for: "n3 to be refused") { cluster.log("n3").contains("another data directory") }
        cluster.killNow("n3")
        try cluster.eraseData(of: "n3")

        let killed = Time.now
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to be heard of") { try cluster.state(of: "n4", seenBy: "n1") == "waiting" }
        let join = try cluster.kv("join", "n4", "--replace", "n3", "--yes", at: ["n1", "n2"])
        XCTAssertEqual(join.status, 0, join.errors)
        XCTAssertNil(try cluster.state(of: "n3", seenBy: "n1"))
        usleep(300_000)
        load.stop()
        let failed = load.events(from: killed).filter { !$0.outcome.isDone }
        XCTAssertEqual(failed.map(\.description), [], "nothing fails but what the kill cut off")
        try load.readAll(at: ["n1", "n2", "n4"])
        load.check()
        try assertEqualCopies(cluster, load, observer: "n1")
        try Sample.assertThere(samples, on: cluster.connections(to: ["n4"]), shift: 1)

        // The dead one does not come back with what it was.
        try cluster.start("n3")
        try cluster.wait(for: "n3 to learn that it was replaced") { !cluster.isRunning("n3") }
        XCTAssertNotEqual(try cluster.end(of: "n3"), .exited(0), cluster.log("n3"))
    }

    func testADeadNodeIsEvicted() throws {
        let cluster = try TestCluster(spares: 1, settings: "failure: {evict_after: 10s}\n")
        try cluster.startAndWait()
        try cluster.startPendingNode("n4", admitsItself: true)
        try cluster.wait(for: "n4 to admit itself") { try cluster.state(of: "n4", seenBy: "n1") == "alive" }
        let load = Load(cluster, prefix: "evict-")
        load.start(at: Self.stay)
        defer { load.stop() }
        usleep(500_000)
        let killed = Time.now
        cluster.killNow("n4")
        try cluster.wait(for: "n4 to be held dead") { try cluster.state(of: "n4", seenBy: "n1") == "dead" }
        XCTAssertLessThan(Time.now - killed, 6, "declared dead")
        try cluster.wait(limit: 60, for: "n4 to be evicted") {
            try Self.stay.allSatisfy { try cluster.state(of: "n4", seenBy: $0) == nil }
        }
        XCTAssertGreaterThan(Time.now - killed, 10)
        XCTAssert(Self.stay.contains { cluster.log($0).contains("evict") })
        usleep(300_000)
        load.stop()
        let failed = load.events(from: killed + 0.5).filter { !$0.outcome.isDone }
        XCTAssertEqual(failed.map(\.description), [], "nothing fails but what the kill cut off")
        try load.readAll(at: Self.stay)
        load.check()
        try assertBalanced(cluster, nodes: 3)
        try assertEqualCopies(cluster, load, observer: "n1")
    }

    func testAJoinSurvivesTheDeathOfTheJoinerTheSourceAndTheCommand() throws {
        let cluster = try TestCluster(spares: 1, settings: "limits: {move_rate: 512KiB}\n")
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let value = [UInt8](repeating: 7, count: 20_000)
        for index in 0..<300 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/big-\(index)", body: value).status, 204)
        }
        let load = Load(cluster, prefix: "interrupt-")
        load.start(at: ["n1"])
        defer { load.stop() }
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to be heard of") { try cluster.state(of: "n4", seenBy: "n1") == "waiting" }

        // The command goes away; the plan does not.
        let join = try cluster.kv("join", "n4", "--yes", "--no-wait", at: Self.stay)
        XCTAssertEqual(join.status, 0, join.errors)
        try cluster.wait(for: "moves to be under way") { try cluster.isMoving(seenBy: "n1") }
        cluster.killNow("n4")
        usleep(1_000_000)
        XCTAssert(try cluster.isMoving(seenBy: "n1"), "it waits for n4")
        try cluster.startPendingNode("n4")
        usleep(1_000_000)
        cluster.killNow("n2")
        try cluster.start("n2")
        // Asked again, the command sees the same plan through.
        let again = try cluster.kv("join", "n4", "--yes", at: ["n1", "n3"])
        XCTAssertEqual(again.status, 0, again.errors)
        XCTAssertFalse(try cluster.isMoving(seenBy: "n1"))
        load.stop()
        try assertBalanced(cluster, nodes: 4)
        try load.readAll(at: ["n1", "n2", "n3", "n4"])
        load.check()
        try assertEqualCopies(cluster, load, observer: "n1")
        for id in cluster.running {
            let connection = try cluster.connect(id)
            for index in 0..<300 {
                XCTAssertEqual(
                    try connection.request("GET", "/v1/kv/big-\(index)").body, value, "big-\(index) at \(id)")
            }
        }
    }

    func testAPlanIsPausedResumedAndCancelled() throws {
        let cluster = try TestCluster(spares: 1, settings: "limits: {move_rate: 64KiB}\n")
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let value = [UInt8](repeating: 7, count: 20_000)
        for index in 0..<300 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/big-\(index)", body: value).status, 204)
        }
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to be heard of") { try cluster.state(of: "n4", seenBy: "n1") == "waiting" }
        XCTAssertEqual(try cluster.kv("join", "n4", "--yes", "--no-wait", at: Self.stay).status, 0)
        try cluster.wait(for: "moves to be under way") { try cluster.isMoving(seenBy: "n1") }
        XCTAssertEqual(try cluster.kv("join", "--pause", at: Self.stay).status, 0)
        usleep(1_500_000)
        let bytes = try cluster.bytes(of: "n4", seenBy: "n4")
        usleep(2_000_000)
        XCTAssertEqual(try cluster.bytes(of: "n4", seenBy: "n4"), bytes, "nothing moves while it is paused")
        XCTAssertEqual(try cluster.kv("join", "--resume", "--no-wait", at: Self.stay).status, 0)
        usleep(1_500_000)
        XCTAssertGreaterThan(try cluster.bytes(of: "n4", seenBy: "n4"), bytes)
        let other = try cluster.kv("leave", "n1", "--yes", at: Self.stay)
        XCTAssertNotEqual(other.status, 0, "one plan at a time")
        XCTAssertEqual(try cluster.kv("join", "--cancel", "--no-wait", at: Self.stay).status, 0)
        try cluster.wait(limit: 60, for: "n4 to be out again") { try cluster.state(of: "n4", seenBy: "n1") == nil }
        // The node ends by itself. The checks that follow ask all nodes that run.
        XCTAssertEqual(try cluster.end(of: "n4"), .exited(0), cluster.log("n4"))
        try assertBalanced(cluster, nodes: 3)
        for index in 0..<300 {
            XCTAssertEqual(try connection.request("GET", "/v1/kv/big-\(index)").body, value, "big-\(index)")
        }
    }

    func testAClusterOfOneGrowsToThreeAndShrinksBack() throws {
        let cluster = try TestCluster(nodes: 1, spares: 2, partitions: 64)
        try cluster.startAndWait()
        let samples = Sample.all
        try Sample.put(samples, on: cluster.connections(to: ["n1"]))
        let load = Load(cluster, prefix: "one-")
        load.start(at: ["n1"])
        defer { load.stop() }
        for id in ["n2", "n3"] { try cluster.startPendingNode(id, admitsItself: true) }
        try cluster.wait(for: "both to be in") {
            try ["n2", "n3"].allSatisfy { try cluster.state(of: $0, seenBy: "n1") == "alive" }
                && !cluster.isMoving(seenBy: "n1")
        }
        try assertBalanced(cluster, nodes: 3)
        try assertEqualCopies(cluster, load, observer: "n2")
        try Sample.assertThere(samples, on: cluster.connections(to: ["n3"]), shift: 1)
        let leave = try cluster.kv("leave", "n2", "n3", "--yes", at: ["n1"])
        XCTAssertEqual(leave.status, 0, leave.errors)
        usleep(300_000)
        load.stop()
        XCTAssertEqual(load.all.filter { !$0.outcome.isDone }.map(\.description), [], "no request has failed")
        try load.readAll(at: ["n1"])
        load.check()
        try Sample.assertThere(samples, on: cluster.connections(to: ["n1"]), shift: 2)
    }

    func testWhatIsDeletedStaysDeletedAndItsSpaceComesBack() throws {
        let cluster = try TestCluster(partitions: 16, settings: "storage: {segment: 4MiB}\n")
        try cluster.startAndWait()
        let value = [UInt8](repeating: 9, count: 20_000)
        let connection = try cluster.connect("n1")
        for index in 0..<500 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/gone-\(index)", body: value).status, 204)
        }
        try cluster.wait(for: "n3 to hold its copies") { try cluster.keys(of: "n3") == 500 }
        let before = try cluster.diskUse(of: "n1")
        XCTAssertGreaterThan(before, 10_000_000)
        cluster.killNow("n3")
        // A request passed on to n3 before its end is noticed is cut off: 504, rightly.
        try cluster.wait(for: "n1 to miss n3") { try cluster.state(of: "n3", seenBy: "n1") != "alive" }
        for index in 0..<500 {
            XCTAssertEqual(try connection.request("DELETE", "/v1/kv/gone-\(index)").status, 204)
        }
        // Tombstones wait for n3, however long.
        usleep(15_000_000)
        try cluster.start("n3")
        try cluster.waitUntilReady("n3")
        for id in Self.stay {
            let connection = try cluster.connect(id)
            for index in 0..<500 {
                XCTAssertEqual(
                    try connection.request("GET", "/v1/kv/gone-\(index)").status, 404, "gone-\(index) at \(id)")
            }
        }
        for id in Self.stay {
            try cluster.wait(limit: 90, for: "the space of \(id) to come back") {
                // The newest segment is preallocated.
                try cluster.diskUse(of: id) < 5_000_000
            }
        }
        for index in 0..<500 {
            XCTAssertEqual(try connection.request("GET", "/v1/kv/gone-\(index)").status, 404)
        }
    }
}

// MARK: What must be so in the end

extension XCTestCase {
    func assertBalanced(_ cluster: TestCluster, nodes count: Int) throws {
        try cluster.waitUntilBalanced()
        let ring = try cluster.ring("n1")
        XCTAssertEqual(ring.nodes.map(\.state), Array(repeating: "alive", count: count))
        let each = ring.partitions * min(3, count)
        for node in ring.nodes {
            XCTAssertLessThanOrEqual(abs(node.replicas * count - each), count, "\(node.id) holds its share: \(node)")
        }
    }

    /// Each replica's own copy is that of the others, read without asking them.
    func assertEqualCopies(_ cluster: TestCluster, _ load: Load, observer: String) throws {
        let connections = try Dictionary(uniqueKeysWithValues: cluster.running.map { ($0, try cluster.connect($0)) })
        for key in 0..<40 {
            let name = load.name(key)
            let replicas = try cluster.replicas(of: name, seenBy: observer)
            XCTAssertEqual(replicas.count, min(3, connections.count))
            var copies: [String] = []
            try cluster.wait(for: "the copies of \(name) to be equal: \(copies)") {
                copies = try replicas.map { id in
                    guard let connection = connections[id] else { throw Unexpected("\(id) does not run") }
                    let answer = try connection.request("GET", "/v1/kv/\(name)?consistency=stale")
                    XCTAssertEqual(answer.headers["kv-node"], id)
                    return "\(answer.status) \(answer.headers["etag"] ?? "") \(answer.body.hashValue)"
                }
                return Set(copies).count == 1
            }
        }
    }
}

extension TestCluster {
    /// Some connections to each of these, node after node.
    func connections(to ids: [String]) throws -> [RawConnection] {
        try (0..<4).flatMap { _ in try ids.map { try connect($0) } }
    }

    /// Members and pending nodes alike; nil for a node that is unknown.
    func state(of id: String, seenBy observer: String) throws -> String? {
        let view = try nodeView(observer)
        return (view.nodes + view.waiting).first { $0.id == id }?.state
    }

    func isMoving(seenBy observer: String) throws -> Bool { try nodeView(observer).plan != nil }

    func bytes(of id: String, seenBy observer: String) throws -> Int {
        try nodeView(observer).nodes.first { $0.id == id }?.bytes ?? 0
    }

    func keys(of id: String) throws -> Int { try nodeView(id).nodes.first { $0.id == id }?.keys ?? 0 }

    func replicas(of key: String, seenBy observer: String) throws -> [String] {
        let answer = try http(observer, "GET", "/v1/ring?key=\(key)")
        return try JSONDecoder().decode(Placement.self, from: Data(answer.body)).replicas
    }

    /// Bytes that its data directory takes on disk.
    func diskUse(of id: String) throws -> Int {
        let files = FileManager.default.enumerator(atPath: data(id))?.allObjects as? [String] ?? []
        return files.reduce(0) { sum, name in
            var status = stat()
            return stat("\(data(id))/\(name)", &status) == 0 ? sum + Int(status.st_blocks) * 512 : sum
        }
    }

    /// Logs that its data is divided into.
    func shards(of id: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: data(id)).count { $0.hasPrefix("shard-") }
    }

    /// Changes the configuration for nodes that start from now on.
    func replaceSetting(_ old: String, with new: String) throws {
        let text = try String(contentsOf: file, encoding: .utf8)
        guard text.contains(old) else { throw Unexpected("the configuration has no '\(old)'") }
        try text.replacingOccurrences(of: old, with: new).write(to: file, atomically: true, encoding: .utf8)
    }

    private func nodeView(_ observer: String) throws -> View {
        try JSONDecoder().decode(View.self, from: Data(try http(observer, "GET", "/v1/nodes").body))
    }

    private struct Placement: Decodable { var replicas: [String] }

    private struct View: Decodable {
        struct Node: Decodable {
            var id: String
            var state: String
            var keys: Int?
            var bytes: Int?
        }

        struct Plan: Decodable { var id: UInt64 }

        var nodes: [Node]
        var waiting: [Node]
        var plan: Plan?
    }
}
