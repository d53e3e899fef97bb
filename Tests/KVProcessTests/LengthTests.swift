import Foundation
import KVCore
import XCTest

/// Tests keys and values of length 0, of length 1 and of the largest lengths, over every protocol, through restarts and
/// moves.
final class LengthTests: XCTestCase {
    private static let limit = Key.maximumBytes
    private static let keyLengths = [0, 1, limit - 1, limit]
    private static let valueLengths = [0, 1, 65_536]

    func testEveryDoorTakesEveryLengthAndNodesKeepIt() throws {
        let cluster = try TestCluster(
            nodes: 3, spares: 1, settings: "limits: {key: \(Self.limit), value: 64KiB, move_rate: 0}\n")
        try cluster.startAndWait()
        var expected: [[UInt8]: [UInt8]] = [:]

        // Each door writes every key, and its neighbour at another node reads what it wrote.
        let doors: [Door] = [HTTP(), Redis(), Command()]
        for (index, door) in doors.enumerated() {
            for keyLength in Self.keyLengths {
                for valueLength in Self.valueLengths {
                    let key = [UInt8](repeating: UInt8(ascii: "a") + UInt8(index), count: keyLength)
                    let value = [UInt8](repeating: UInt8(ascii: "v"), count: valueLength)
                    let what = "\(door): a key of \(keyLength) bytes, a value of \(valueLength)"
                    try door.put(cluster, "n1", key, value, what)
                    expected[key] = value
                    let reader = doors[(index + 1) % doors.count]
                    XCTAssertEqual(try reader.get(cluster, "n2", key, what)?.count, valueLength, what)
                }
            }
        }
        func check(_ id: String, _ when: String) throws {
            for (key, value) in expected {
                XCTAssertEqual(
                    try HTTP().get(cluster, id, key, when), value, "\(when): a key of \(key.count) bytes")
            }
        }
        try check("n3", "before anything")
        cluster.killNow()
        try cluster.start("n1", "n2", "n3")
        try cluster.waitUntilReady("n1", "n2", "n3")
        try check("n2", "after all were killed")
        try cluster.startPendingNode("n4")
        try cluster.wait(for: "n4 to wait") { cluster.log("n4").contains("waiting to be admitted") }
        let join = try cluster.kv("join", "n4", "--yes", at: ["n1"])
        XCTAssertEqual(join.status, 0, join.errors)
        let leave = try cluster.kv("leave", "n1", "--yes", at: ["n2"])
        XCTAssertEqual(leave.status, 0, leave.errors)
        try check("n4", "after a node came and another went")

        // The listing and SCAN have each of them once, page by page.
        var listed: [String] = []
        var cursor = ""
        repeat {
            let page = try cluster.http("n2", "GET", "/v1/kv?limit=1\(cursor)")
            XCTAssertEqual(page.status, 200)
            let body = try JSONDecoder().decode(Page.self, from: Data(page.body))
            listed += body.keys.map(\.key)
            cursor = body.cursor.map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty && listed.count < 100
        XCTAssertEqual(listed.sorted(), expected.keys.map { String(decoding: $0, as: UTF8.self) }.sorted())

        // One byte more is refused by name, and changes nothing.
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: Self.limit + 1)
        XCTAssertEqual(try cluster.http("n2", "PUT", "/v1/kv/\(encoded(long))", body: [1]).status, 414)
        let value = try cluster.http("n2", "PUT", "/v1/kv/k", body: [UInt8](repeating: 1, count: 65_537))
        XCTAssertEqual(value.status, 413)
        let reply = try Redis.command(cluster, "n2", [Array("SET".utf8), long, [1]])
        XCTAssertTrue(reply.hasPrefix("-ERR the key has 65536 bytes, over this cluster's limit of 65535"), reply)
        for id in ["n2", "n3", "n4"] { XCTAssertTrue(cluster.isRunning(id), cluster.log(id)) }
    }

    /// A fresh node's first key.
    func testTheEmptyKeyIsAKey() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1)
        try cluster.startAndWait()
        for words in [
            ["SET", "", "1"], ["INCR", ""], ["APPEND", "", "0"], ["SETNX", "", "9"], ["MSET", "", "5", "k", "6"],
        ] {
            let reply = try Redis.command(cluster, "n1", words.map { Array($0.utf8) })
            XCTAssertFalse(reply.hasPrefix("-"), reply)
        }
        XCTAssertEqual(try Redis.command(cluster, "n1", ["GET", ""].map { Array($0.utf8) }), "$1\r\n5\r\n")
        XCTAssertEqual(try Redis.command(cluster, "n1", ["DEL", ""].map { Array($0.utf8) }), ":1\r\n")
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/").status, 404)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/ring?key=").status, 200)
        XCTAssertEqual(try cluster.kv("put", "", "").status, 0)
        XCTAssertEqual(try cluster.kv("get", "").output, [])
    }

    private struct Page: Decodable {
        struct Entry: Decodable { var key: String }
        var keys: [Entry]
        var cursor: String?
    }
}

/// A way to write and read a key.
private protocol Door {
    func put(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ value: [UInt8], _ what: String) throws
    func get(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ what: String) throws -> [UInt8]?
}

private struct HTTP: Door {
    func put(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ value: [UInt8], _ what: String) throws {
        let answer = try cluster.http(id, "PUT", "/v1/kv/\(encoded(key))", body: value)
        XCTAssertEqual(answer.status, 204, "\(what): \(answer.text)")
    }

    func get(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ what: String) throws -> [UInt8]? {
        let answer = try cluster.http(id, "GET", "/v1/kv/\(encoded(key))")
        XCTAssertEqual(answer.status, 200, what)
        return answer.body
    }
}

private struct Command: Door {
    func put(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ value: [UInt8], _ what: String) throws {
        let result = try cluster.kv([Array("put".utf8), key], at: [id], input: value)
        XCTAssertEqual(result.status, 0, "\(what): \(result.errors)")
    }

    func get(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ what: String) throws -> [UInt8]? {
        let result = try cluster.kv([Array("get".utf8), key], at: [id])
        XCTAssertEqual(result.status, 0, "\(what): \(result.errors)")
        return result.output
    }
}

private struct Redis: Door {
    func put(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ value: [UInt8], _ what: String) throws {
        let reply = try Self.command(cluster, id, [Array("SET".utf8), key, value])
        XCTAssertEqual(reply, "+OK\r\n", what)
    }

    func get(_ cluster: TestCluster, _ id: String, _ key: [UInt8], _ what: String) throws -> [UInt8]? {
        let reply = try Self.command(cluster, id, [Array("GET".utf8), key])
        guard let end = reply.range(of: "\r\n") else { return nil }
        return Array(reply[end.upperBound...].utf8.dropLast(2))
    }

    /// One command over a connection of its own, and all that comes until the node has said goodbye.
    static func command(_ cluster: TestCluster, _ id: String, _ words: [[UInt8]]) throws -> String {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8) }
        let connection = try cluster.connect(id)
        connection.send(bytes + Array("QUIT\r\n".utf8))
        var reply = connection.readToEnd()
        let goodbye = Array("+OK\r\n".utf8)
        guard reply.suffix(goodbye.count).elementsEqual(goodbye) else { return String(decoding: reply, as: UTF8.self) }
        reply.removeLast(goodbye.count)
        return String(decoding: reply, as: UTF8.self)
    }
}
