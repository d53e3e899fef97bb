import KVCore
import XCTest

/// Tests that clients that do not read their replies make a node use no more memory than `docs/operations.md` says.
final class MemoryTests: XCTestCase {
    private static let connections = 40
    private static let value = 1_000_000
    private static let replies = 32 << 20

    /// The sum of `limits.replies`, for each event loop a command on several keys and the values that are being read
    /// from disk, and for each connection 64 KiB and two values. In bytes.
    private static let bound = replies + 2 * (16 << 20) + 2 * (32 << 20) + connections * (2 * value + (64 << 10))

    private func cluster() throws -> (TestCluster, before: Int) {
        let settings = "limits: {replies: 32MiB}\nstorage: {cache: 8MiB, shards: 2}\n"
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: settings)
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        var value = [UInt8](repeating: 0, count: Self.value)
        for index in value.indices { value[index] = UInt8(truncatingIfNeeded: index &* 31) }
        for number in 0..<50 {
            XCTAssertEqual(try connection.request("PUT", "/v1/kv/big\(number)", body: value).status, 204)
        }
        XCTAssertEqual(try connection.request("PUT", "/v1/kv/small", body: [1]).status, 204)
        return (cluster, try cluster.memory("n1"))
    }

    /// - Returns: by how much the node's memory grows while nobody reads. Bytes.
    private func growth(_ begin: (RawConnection) -> Void) throws -> Int {
        let (cluster, before) = try cluster()
        let connections = try (0..<Self.connections).map { _ in try cluster.connect("n1") }
        for connection in connections { begin(connection) }
        var peak = 0
        for _ in 0..<40 {
            peak = max(peak, try cluster.memory("n1"))
            Thread.sleep(forTimeInterval: 0.1)
        }
        // Others are served.
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/big1").body.count, Self.value)
        let other = try cluster.connect("n1")
        other.send(command("GET", "big2") + command("GET", "small"))
        XCTAssertTrue(other.discard(Self.value + 12 + 7))
        withExtendedLifetime(connections) {}
        return peak - before
    }

    private func command(_ words: String...) -> String { command(words) }

    private func command(_ words: [String]) -> String {
        "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
    }

    private var pipeline: String { (0..<1000).map { command("GET", "big\($0 % 50)") }.joined() }

    func testUnreadReadsOfLargeValues() throws {
        XCTAssertLessThan(try growth { $0.send(pipeline) }, Self.bound)
    }

    /// Small replies at first must not make the node expect that later ones are small.
    func testUnreadReadsOfLargeValuesAfterSmallOnes() throws {
        let growth = try growth { connection in
            connection.send(command("GET", "small"))
            XCTAssertTrue(connection.discard(7))
            connection.send(pipeline)
        }
        XCTAssertLessThan(growth, Self.bound)
    }

    func testUnreadCommandsOnManyKeys() throws {
        let keys = (0..<60).map { "big\($0 % 50)" }
        XCTAssertLessThan(try growth { $0.send(command(["MGET"] + keys)) }, Self.bound)
    }

    func testUnreadAnswersOfHTTP() throws {
        let requests = (0..<1000).map { "GET /v1/kv/big\($0 % 50) HTTP/1.1\r\nHost: kv\r\n\r\n" }.joined()
        XCTAssertLessThan(try growth { $0.send(requests) }, Self.bound)
    }

    /// Some clients write a whole pipeline before they read the first reply.
    func testALongPipelineIsAnsweredAlthoughNothingIsReadBeforeItIsSent() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let connection = try cluster.connect("n1")
        let keys = (0..<100).map { "\(String(repeating: "k", count: 100))\($0)" }
        let value = String(repeating: "v", count: 1024)
        for key in keys { connection.send(command("SET", key, value)) }
        XCTAssertTrue(connection.discard(5 * keys.count))
        let count = 150_000
        let requests = keys.map { command("GET", $0) }.joined()
        // More than the buffers of both sockets take.
        XCTAssertTrue(connection.send(String(repeating: requests, count: count / keys.count)))
        XCTAssertTrue(connection.discard(count * (7 + 1024 + 2)))
        connection.send(command("PING"))
        XCTAssertTrue(connection.discard(7))
    }
}
