import KVCore
import XCTest

/// Tests keys and values of any bytes, through every node, over HTTP and with the command line.
final class DataTests: XCTestCase {
    func testAnyBytesThroughEveryNodeAndDoor() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        let connections = try cluster.connectToAll()
        try Sample.put(Sample.all, on: connections)
        for shift in 0..<3 { try Sample.assertThere(Sample.all, on: connections, shift: shift) }
        // An argument cannot hold a zero byte; all others it can.
        let key = (1...255).map { UInt8($0) }
        let value = (0...255).map { UInt8($0) }
        let put = try cluster.kv([Array("put".utf8), key], at: ["n1"], input: value)
        XCTAssertEqual(put.status, 0, put.errors)
        XCTAssertEqual(try connections[1].request("GET", "/v1/kv/\(encoded(key))").body, value)
        XCTAssertEqual(try cluster.kv([Array("get".utf8), key], at: ["n3"]).output, value)
        let large = Sample.all.max { $0.value.count < $1.value.count }
        let sample = try XCTUnwrap(large)
        XCTAssertTrue(try cluster.kv([Array("get".utf8), sample.key], at: ["n2"]).output == sample.value)
        XCTAssertEqual(try cluster.kv("put", "a/b//c/../d", "slashes", at: ["n2"]).status, 0)
        XCTAssertEqual(try connections[2].request("GET", "/v1/kv/a/b//c/../d").text, "slashes")

        try Sample.delete(Sample.all, on: connections)
        for shift in 0..<3 { try Sample.assertGone(Sample.all, on: connections, shift: shift) }
        XCTAssertEqual(try cluster.kv("del", "a/b//c/../d", at: ["n3"]).status, 0)
        let again = try cluster.kv("del", "a/b//c/../d", at: ["n1"])
        XCTAssertEqual(again.status, 1)
        XCTAssertEqual(again.errors, "kv: no such key: 'a/b//c/../d'\n")
    }

    func testConditionsByTheCommand() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        let version = try cluster.kv("put", "k", "1", "--if-absent").text.trimmingCharacters(in: .newlines)
        let taken = try cluster.kv("put", "k", "2", "--if-absent")
        XCTAssertEqual(taken.status, 2)
        XCTAssertEqual(taken.errors, "kv: nothing was changed: the key is at version \(version)\n")
        XCTAssertEqual(try cluster.kv("put", "k", "3", "--if-version", version).status, 0)
        XCTAssertEqual(try cluster.kv("put", "k", "4", "--if-version", version).status, 2)
        XCTAssertEqual(try cluster.kv("get", "k").text, "3")
        let absent = try cluster.kv("get", "nothing")
        XCTAssertEqual(absent.status, 1)
        XCTAssertEqual(absent.errors, "kv: no such key: 'nothing'\n")
        XCTAssertEqual(try cluster.kv("put", "", "no bytes").status, 0)
        XCTAssertEqual(try cluster.kv("get", "").text, "no bytes")
        XCTAssertEqual(try cluster.kv("del", "").status, 0)
        for count in [5000, 65_536] {
            let long = try cluster.kv("put", String(repeating: "k", count: count), "x")
            XCTAssertEqual(long.status, 65, long.errors)
            XCTAssertTrue(long.errors.contains("limits.key"), long.errors)
        }
    }

    /// Every key that is there throughout is listed once, while others come and go and all are being changed.
    func testListingUnderLoad() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        let lasting = (0..<2000).map { "list/\($0)" }
        let connections = try cluster.connectToAll()
        for (index, name) in lasting.enumerated() {
            let request = "PUT /v1/kv/\(name) HTTP/1.1\r\nHost: kv\r\nContent-Length: 1\r\n\r\nx"
            connections[index % connections.count].send(request)
        }
        for (index, name) in lasting.enumerated() {
            XCTAssertEqual(try connections[index % connections.count].answer().status, 204, name)
        }
        let load = Load(cluster, prefix: "list/passing-")
        load.start()
        defer { load.stop() }
        var listed: [String: Int] = [:]
        var cursor: String?
        var pages = 0
        repeat {
            let more = cursor.map { "&cursor=\($0)" } ?? ""
            let id = ["n1", "n2", "n3"][pages % 3]
            let answer = try cluster.http(id, "GET", "/v1/kv?prefix=list/&limit=150\(more)")
            XCTAssertEqual(answer.status, 200, answer.text)
            let page = try JSONDecoder().decode(Page.self, from: Data(answer.body))
            XCTAssertLessThanOrEqual(page.keys.count, 150)
            for entry in page.keys { listed[entry.key, default: 0] += 1 }
            cursor = page.cursor
            pages += 1
            if pages == 4 {
                for name in lasting.prefix(50) {
                    XCTAssertEqual(try connections[0].request("PUT", "/v1/kv/\(name)", body: [1]).status, 204)
                }
            }
        } while cursor != nil && pages < 1000
        load.stop()
        XCTAssertEqual(lasting.filter { listed[$0] != 1 }, [], "each of these is to be listed once")
        XCTAssertEqual(listed.filter { $0.value != 1 }.map(\.key), [], "nothing is listed twice")
        XCTAssertGreaterThan(pages, 13)
        load.check()
    }

    private struct Page: Decodable {
        struct Entry: Decodable { var key: String }
        var keys: [Entry]
        var cursor: String?
    }
}
