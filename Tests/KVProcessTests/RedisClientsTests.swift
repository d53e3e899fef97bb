import Foundation
import KVCore
import XCTest

/// Tests unmodified Redis clients, and compares the nodes' answers with those of a Redis.
final class RedisClientsTests: XCTestCase {
    /// Starts a cluster that does not wait for the disk, because these tests are about the form of replies.
    private func startedCluster(nodes: Int, shards: Int = 1, settings: String = "") throws -> TestCluster {
        let storage = "storage: {sync: never, shards: \(shards)}\n"
        let cluster = try TestCluster(nodes: nodes, replicas: min(nodes, 3), settings: storage + settings)
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        return cluster
    }

    private func addresses(_ cluster: TestCluster, _ ids: String...) -> String {
        cluster.nodes.filter { ids.isEmpty || ids.contains($0.id) }.map { "\($0.client)" }.joined(separator: ",")
    }

    private func compare(_ redis: RedisServer, with addresses: String, seed: Int, count: Int = 1250) throws {
        try RedisTools.pass(
            "python3", "differential.py", "--seed", "\(seed)", "--count", "\(count)", "\(redis.address)", addresses)
    }

    // MARK: The same random commands to both

    func testOneNodeAnswersAsARedisDoes() throws {
        let redis = try [false, true].map { try RedisServer(isCluster: $0) }
        let cluster = try startedCluster(nodes: 1)
        for (seed, redis) in zip(1..., redis) { try compare(redis, with: addresses(cluster), seed: seed) }
    }

    /// Most commands are on keys of another event loop than the connection's.
    func testNodesOfSeveralShardsAnswerAsARedisDoes() throws {
        let redis = try RedisServer(isCluster: false)
        for (seed, nodes) in [(31, 1), (32, 3)] {
            let cluster = try startedCluster(nodes: nodes, shards: 3)
            try compare(redis, with: addresses(cluster), seed: seed, count: 1000)
        }
    }

    func testThreeNodesTogetherAnswerAsARedisDoes() throws {
        let redis = try [false, true].map { try RedisServer(isCluster: $0) }
        // The Redis is one node with all keys, also for who has asked it for its slots.
        let cluster = try startedCluster(nodes: 3, settings: "redis: {keyspace: cluster}\n")
        for (seed, redis) in zip(11..., redis) { try compare(redis, with: addresses(cluster), seed: seed) }
    }

    func testTwoOfThreeAnswerAsARedisDoesAndTheThirdComesBackMeanwhile() throws {
        let redis = try RedisServer(isCluster: false)
        let cluster = try startedCluster(nodes: 3)
        cluster.killNow("n3")
        try cluster.wait(for: "the others to lead what n3 led") {
            try cluster.ring("n1").assignments.allSatisfy { $0.leader != nil && $0.leader != "n3" }
        }
        let others = addresses(cluster, "n1", "n2")
        try compare(redis, with: others, seed: 21, count: 500)
        let command = ["python3", "differential.py", "--seed", "22", "--count", "2500", "\(redis.address)", others]
        let comparison = try RedisTools.begin(command, limit: 120)
        try cluster.start("n3")
        try cluster.waitUntilReady()
        RedisTools.assertPassed(command, try comparison())
    }

    // MARK: Every command by redis-py

    func testRedisPyAtOneNode() throws {
        let pythons = try RedisTools.pythons()
        let cluster = try startedCluster(nodes: 1)
        for python in pythons {
            try RedisTools.pass(python, "tour.py", addresses(cluster))
            try RedisTools.pass(python, "tour.py", "--cluster", addresses(cluster))
        }
    }

    func testRedisPyAtThreeNodes() throws {
        let pythons = try RedisTools.pythons()
        let cluster = try startedCluster(nodes: 3)
        for python in pythons {
            try RedisTools.pass(python, "tour.py", addresses(cluster))
            try RedisTools.pass(python, "tour.py", "--cluster", addresses(cluster))
        }
    }

    func testRedisPyIsSentToTheNodeThatServes() throws {
        let pythons = try RedisTools.pythons()
        let cluster = try startedCluster(nodes: 3, settings: "redis: {moved: true}\n")
        for python in pythons {
            try RedisTools.pass(python, "tour.py", "--cluster", "--shares", addresses(cluster))
        }
    }

    /// redis-py asks for the map on one connection, adds up what the nodes tell, and reads at the replicas.
    func testRedisPyAddsUpTheSharesOfTheNodes() throws {
        let pythons = try RedisTools.pythons()
        let cluster = try startedCluster(nodes: 3, settings: "redis: {keyspace: node, replicas: true}\n")
        for python in pythons {
            try RedisTools.pass(python, "tour.py", "--cluster", "--shares", "--replicas", addresses(cluster))
        }
    }

    // MARK: Redis's own programs

    func testRedisCliAndBenchmark() throws {
        try RedisTools.require("redis-cli", "redis-benchmark")
        let cluster = try startedCluster(nodes: 3)
        let nodes = cluster.nodes.map { "\($0.client)" }
        try RedisTools.pass("./cli.sh", nodes[0], nodes[1], nodes[2])
    }

    func testRedisCliAndBenchmarkAreSentToTheNodeThatServes() throws {
        try RedisTools.require("redis-cli", "redis-benchmark")
        let cluster = try startedCluster(nodes: 3, settings: "redis: {moved: true}\n")
        let nodes = cluster.nodes.map { "\($0.client)" }
        try RedisTools.pass("./cli.sh", "--routed", nodes[0], nodes[1], nodes[2])
    }

    // MARK: A node is killed

    func testClientsCountWhileANodeIsKilledAndComesBack() throws {
        try countWhileANodeIsKilled()
    }

    func testClientsThatAreSentElsewhereCountWhileANodeIsKilledAndComesBack() throws {
        try countWhileANodeIsKilled("--routed", settings: "redis: {moved: true}\n")
    }

    private func countWhileANodeIsKilled(_ options: String..., settings: String = "") throws {
        for python in try RedisTools.pythons() {
            let cluster = try startedCluster(nodes: 3, settings: settings)
            // Not the first that the map names: redis-py 4.3.4 never recovers from its death (it copies itself, locks
            // and all, to connect to it again).
            let first = try cluster.ring("n1").assignments[0].leader
            let victim = try XCTUnwrap(cluster.nodes.map(\.id).first { $0 != first })
            let others = cluster.nodes.map(\.id).filter { $0 != victim }
            let nodes = [addresses(cluster, victim)] + others.map { addresses(cluster, $0) }
            let pid = "\(try cluster.pid(of: victim))"
            let killed = cluster.directory.appendingPathComponent("killed").path
            let restarted = cluster.directory.appendingPathComponent("restarted").path
            let arguments = [
                "--pid", pid, "--killed", killed, "--restarted", restarted, nodes.joined(separator: ","),
            ]
            let command = [python, "kill.py"] + options + arguments
            let clients = try RedisTools.begin(command, limit: 180)
            // If the clients end instead, their result tells why.
            try? cluster.wait(limit: 90, for: "\(victim) to be killed, and the others to be served") {
                FileManager.default.fileExists(atPath: killed)
            }
            cluster.killNow(victim)
            try cluster.start(victim)
            try cluster.waitUntilReady()
            try cluster.waitUntilBalanced()
            _ = FileManager.default.createFile(atPath: restarted, contents: nil)
            RedisTools.assertPassed(command, try clients())
        }
    }

    // MARK: Partitions are split

    func testClientsCountWhilePartitionsAreSplit() throws { try countWhilePartitionsAreSplit() }

    func testClientsThatAreSentElsewhereCountWhilePartitionsAreSplit() throws {
        try countWhilePartitionsAreSplit("--routed", settings: "redis: {moved: true}\n")
    }

    private func countWhilePartitionsAreSplit(_ options: String..., settings: String = "") throws {
        for python in try RedisTools.pythons() {
            let cluster = try startedCluster(nodes: 3, shards: 2, settings: settings)
            let split = [TestCluster.executable, "ring", "--endpoint", addresses(cluster), "--split", "128", "--yes"]
            let command = [python, "split.py"] + options + [addresses(cluster)] + split
            RedisTools.assertPassed(command, try RedisTools.run(command, limit: 120))
            for id in cluster.running { XCTAssertEqual(try cluster.ring(id).partitions, 128) }
        }
    }
}
