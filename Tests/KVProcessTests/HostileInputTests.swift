import KVCore
import XCTest

/// Tests hostile input at the client port and at the peer port. A cluster of three nodes must stay healthy.
final class HostileInputTests: XCTestCase {
    func testRequestsThatAreRefused() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        func refusal(
            _ request: String, _ status: Int, _ error: String, saying words: String = "", line: UInt = #line
        ) throws {
            let connection = try cluster.connect("n2")
            connection.send(request)
            let answer = try connection.answer()
            XCTAssertEqual(answer.status, status, "\(answer.text)", line: line)
            XCTAssertEqual(answer.error, error, line: line)
            XCTAssertTrue(words.isEmpty || answer.message.contains(words), answer.message, line: line)
        }
        let put = "PUT /v1/kv/k HTTP/1.1\r\nHost: kv\r\n"
        // Refused before it is sent: the body never comes.
        try refusal(put + "Content-Length: 1048577\r\n\r\n", 413, "value_too_large", saying: "1048576")
        try refusal(put + "Content-Length: 99999999999999999999999\r\n\r\n", 400, "bad_content_length")
        try refusal(put + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "bad_content_length")
        try refusal(put + "Content-Length: -1\r\n\r\n", 400, "bad_content_length")
        try refusal(put + "\r\n", 411, "length_required", saying: "Content-Length")
        try refusal("GET /v1/kv/%zz HTTP/1.1\r\nHost: kv\r\n\r\n", 400, "bad_encoding", saying: "%25")
        try refusal("GET /v1/kv/a% HTTP/1.1\r\nHost: kv\r\n\r\n", 400, "bad_encoding", saying: "%25")
        try refusal("GET /v1/kv/a?tll=1s HTTP/1.1\r\nHost: kv\r\n\r\n", 400, "unknown_parameter", saying: "consistency")
        try refusal(
            "PUT /v1/kv/a?ttl=x HTTP/1.1\r\nHost: kv\r\nContent-Length: 0\r\n\r\n", 400, "bad_ttl", saying: "30s")
        let long = String(repeating: "k", count: 4097)
        try refusal("GET /v1/kv/\(long) HTTP/1.1\r\nHost: kv\r\n\r\n", 414, "key_too_long", saying: "4096")
        try refusal("PATCH /v1/kv/k HTTP/1.1\r\nHost: kv\r\n\r\n", 405, "method_not_allowed")
        try refusal("GET /v2 HTTP/1.1\r\nHost: kv\r\n\r\n", 404, "unknown_path", saying: "/v1/kv")
        let head = "GET /v1/kv/k HTTP/1.1\r\nHost: kv\r\n" + String(repeating: "X-Much: more\r\n", count: 5000)
        try refusal(head + "\r\n", 431, "headers_too_large")

        let large = try cluster.kv("put", "k", at: ["n1"], input: [UInt8](repeating: 1, count: (1 << 20) + 1))
        XCTAssertEqual(large.status, 65)
        XCTAssertTrue(large.errors.contains("1048576"), large.errors)
        XCTAssertEqual(try cluster.kv("put", long, "v").status, 65)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").status, 404, "nothing was put")
        XCTAssertEqual(
            try cluster.kv("pit", "k").errors,
            "kv: unknown command 'pit': did you mean 'kv put'?\n")
        XCTAssertEqual(try cluster.kv("put", "k", "v", "--colour").status, 64)
    }

    /// A body without end is refused when it is too large, and what still comes is not kept.
    func testEndlessBodyIsNotKept() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let before = try cluster.memory("n1")
        let connection = try cluster.connect("n1")
        connection.send("PUT /v1/kv/k HTTP/1.1\r\nHost: kv\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 7, count: 0x10000) + Array("\r\n".utf8)
        var sent = 0
        while sent < 1000, connection.send(chunk) { sent += 1 }
        let growth = try cluster.memory("n1") - before
        XCTAssertLessThan(growth, 32 << 20, "\(sent) chunks of 64 KiB were sent")
        XCTAssertEqual(try connection.answer().error, "value_too_large")
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/k").status, 404)
    }

    func testGarbageOnThePeerPort() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        let peer = try cluster.node("n1").peer
        var random = SplitMix(seed: 7)
        let garbage: [[UInt8]] =
            [
                Array("GET / HTTP/1.1\r\nHost: kv\r\n\r\n".utf8), Array("SSH-2.0-scan\r\n".utf8),
                [0x16, 0x03, 0x01, 0x02, 0x00, 0x01], [UInt8](repeating: 0xff, count: 64),
                // A length of 4 GiB, one of 1 MiB that never comes, an empty frame.
                [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], [0, 0, 0x10, 0, 1, 2, 3, 4], [0, 0, 0, 0, 0, 0, 0, 0],
            ]
            + (0..<20).map { _ in
                (0..<Int.random(in: 1..<500, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
        var open: [RawConnection] = []
        for bytes in garbage {
            let connection = try RawConnection(peer, limit: 1)
            connection.send(bytes)
            open.append(connection)
        }
        // And connections that say nothing, more than are let wait.
        for _ in 0..<200 { open.append(try RawConnection(peer, limit: 1)) }
        for id in ["n1", "n2", "n3"] {
            XCTAssertEqual(try cluster.http(id, "PUT", "/v1/kv/\(id)", body: [1]).status, 204)
        }
        // A peer that has to connect anew still can.
        cluster.killNow("n2")
        open.removeAll()
        try cluster.start("n2")
        try cluster.waitUntilReady()
        try cluster.waitUntilBalanced()
        for id in ["n1", "n2", "n3"] { XCTAssertTrue(cluster.isRunning(id), cluster.log(id)) }
        let complaints = cluster.log("n1").split(separator: "\n").filter { $0.contains("peer port") }
        XCTAssertLessThan(complaints.count, 60, "a scanner does not fill the log")
    }
}
