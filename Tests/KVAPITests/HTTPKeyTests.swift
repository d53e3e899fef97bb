import KVCore
import XCTest

@testable import KVAPI

/// What GET, HEAD, PUT and DELETE of a key ask of the node, and how its outcomes are answered.
final class HTTPKeyTests: XCTestCase {
    func testGetAnswersTheValueAsItIs() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in
            .found(
                Record(
                    version: version(3, 1, 42), value: Array("a\r\n\0b".utf8), contentType: "text/plain; charset=utf-8")
            )
        }
        client.send(request("GET /v1/kv/greeting"))
        XCTAssertEqual(
            client.received(),
            "HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: 5\r\n"
                + "Content-Type: text/plain; charset=utf-8\r\nETag: \"3.1.42\"\r\nKV-Node: n2\r\n\r\na\r\n\0b")
        XCTAssertEqual(client.backend.asked.first?.command, .get)
        XCTAssertEqual(client.backend.asked.first?.key, Key("greeting"))
        XCTAssertEqual(client.backend.asked.first?.timeout, .milliseconds(5000))
        XCTAssertTrue(client.isOpen)
    }

    func testHeadAnswersAsGetWithoutTheBody() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .found(Record(version: version(1, 1, 1), value: [1, 2, 3])) }
        let answer = client.exchange(request("HEAD /v1/kv/a"))
        XCTAssertEqual(answer.status, "200 OK")
        XCTAssertEqual(answer.fields["content-length"], "3")
        XCTAssertEqual(answer.fields["content-type"], "application/octet-stream")
        XCTAssertEqual(answer.body, "")

        client.backend.outcome = { _, _ in .absent }
        let absent = client.exchange(request("HEAD /v1/kv/a"))
        XCTAssertEqual(absent.status, "404 Not Found")
        XCTAssertNotEqual(absent.fields["content-length"], "0")
        XCTAssertEqual(absent.body, "")
    }

    func testTimeToLiveIsRoundedUp() throws {
        for (left, shown) in [(1, "1"), (1000, "1"), (1001, "2"), (30_000, "30")] as [(UInt64, String)] {
            let client = try HTTPTestClient()
            client.backend.outcome = { _, _ in
                .found(
                    Record(
                        version: version(1, 1, 1), expiry: Expiry(milliseconds: FakeBackend.wall + left), value: [1]))
            }
            XCTAssertEqual(client.exchange(request("GET /v1/kv/a")).fields["kv-ttl"], shown, "\(left) ms")
        }
    }

    func testStoredContentTypeCannotForgeHeaders() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in
            .found(Record(version: version(1, 1, 1), value: [], contentType: "text/plain\r\nSet-Cookie: a=b"))
        }
        let answer = client.exchange(request("GET /v1/kv/a"))
        XCTAssertEqual(answer.fields["content-type"], "application/octet-stream")
        XCTAssertNil(answer.fields["set-cookie"])
    }

    func testIfNoneMatchSparesTheValue() throws {
        let table: [(String, String)] = [
            ("\"3.1.42\"", "304 Not Modified"), ("W/\"3.1.42\"", "304 Not Modified"),
            ("\"1.1.1\", \"3.1.42\"", "304 Not Modified"), ("*", "304 Not Modified"),
            ("\"3.1.43\"", "200 OK"), ("\"of another server\"", "400 Bad Request"), ("\"other\"", "200 OK"),
            ("3.1.42", "400 Bad Request"), ("\"3.1.42", "400 Bad Request"), ("", "400 Bad Request"),
        ]
        for (tags, status) in table {
            let client = try HTTPTestClient()
            client.backend.outcome = { _, _ in .found(Record(version: version(3, 1, 42), value: [1])) }
            let answer = client.exchange(request("GET /v1/kv/a", ["If-None-Match: \(tags)"]))
            XCTAssertEqual(answer.status, status, tags)
            if status.hasPrefix("304") {
                XCTAssertEqual(answer.fields["etag"], "\"3.1.42\"")
                XCTAssertNil(answer.fields["content-length"])
                XCTAssertEqual(answer.body, "")
            }
        }
    }

    func testPutSendsWhatWasGiven() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .written(version(9, 2, 1)) }
        client.send(
            request(
                "PUT /v1/kv/a/b%00c?ttl=30s&timeout=250ms", ["Content-Type: application/json", "If-Match: \"8.1.7\""],
                body: "{}"))
        XCTAssertEqual(
            client.received(),
            "HTTP/1.1 204 No Content\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: \"9.2.1\"\r\nKV-Node: n2\r\n\r\n")
        let asked = try XCTUnwrap(client.backend.asked.first)
        XCTAssertEqual(asked.key, Key(Array("a/b\0c".utf8)))
        XCTAssertEqual(asked.timeout, .milliseconds(250))
        XCTAssertEqual(
            asked.command,
            .put(
                Put(
                    value: Array("{}".utf8), contentType: "application/json", lifetime: .milliseconds(30_000),
                    condition: .ifVersion(version(8, 1, 7)))))
    }

    func testConditionsOfPutAndDelete() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        client.send(request("PUT /v1/kv/a", ["If-None-Match: *"], body: ""))
        client.send(request("PUT /v1/kv/a", ["If-Match: *"], body: ""))
        client.send(request("PUT /v1/kv/a", body: ""))
        client.send(request("DELETE /v1/kv/a", ["if-match: \"1.1.1\""]))
        client.send(request("DELETE /v1/kv/a"))
        XCTAssertEqual(
            client.backend.asked.map(\.command),
            [
                .put(Put(value: [], condition: .ifAbsent)), .put(Put(value: [], condition: .ifPresent)),
                .put(Put(value: [])), .delete(.ifVersion(version(1, 1, 1))), .delete(.always),
            ])
    }

    func testChunkedBodyIsOneValue() throws {
        let client = try HTTPTestClient()
        client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
        client.send(request("PUT /v1/kv/a", ["Transfer-Encoding: chunked"]))
        client.send("3\r\nabc\r\n")
        client.send("2\r\nde\r\n0\r\n\r\n")
        XCTAssertEqual(client.backend.asked.first?.command, .put(Put(value: Array("abcde".utf8))))
        XCTAssertEqual(Answer(client.received()).status, "204 No Content")
    }

    func testStaleReadIsAskedFor() throws {
        let client = try HTTPTestClient()
        client.send(request("GET /v1/kv/a?consistency=stale"))
        client.send(request("GET /v1/kv/a?consistency=linearizable"))
        XCTAssertEqual(client.backend.asked.map(\.consistency), [.stale, .linearizable])
    }

    func testOutcomes() throws {
        let table: [(String, Outcome, String, String?, [String: String])] = [
            ("GET", .absent, "404 Not Found", "not_found", [:]),
            ("DELETE", .absent, "404 Not Found", "not_found", [:]),
            ("DELETE", .written(version(1, 1, 1)), "204 No Content", nil, [:]),
            (
                "PUT", .conditionFailed(version(2, 1, 3)), "412 Precondition Failed", "condition_failed",
                ["etag": "\"2.1.3\""]
            ),
            ("DELETE", .conditionFailed(nil), "412 Precondition Failed", "condition_failed", [:]),
            ("GET", .refused(.noLeader), "503 Service Unavailable", "no_leader", ["retry-after": "1"]),
            ("GET", .refused(.noReplica), "503 Service Unavailable", "no_replica", ["retry-after": "1"]),
            ("PUT", .refused(.stopping), "503 Service Unavailable", "stopping", ["retry-after": "1"]),
            ("PUT", .refused(.diskFull), "503 Service Unavailable", "disk_full", ["retry-after": "1"]),
            ("PUT", .refused(.overloaded), "429 Too Many Requests", "overloaded", ["retry-after": "1"]),
            ("PUT", .unknown(.timedOut), "504 Gateway Timeout", "outcome_unknown", [:]),
            ("DELETE", .unknown(.leaderLost), "504 Gateway Timeout", "outcome_unknown", [:]),
            ("GET", .written(version(1, 1, 1)), "500 Internal Server Error", "internal_error", [:]),
        ]
        for (method, outcome, status, code, fields) in table {
            let client = try HTTPTestClient()
            client.backend.outcome = { _, _ in outcome }
            let answer = client.exchange(request("\(method) /v1/kv/a", body: method == "PUT" ? "x" : nil))
            XCTAssertEqual(answer.status, status, "\(method) \(outcome)")
            XCTAssertEqual(answer.error, code)
            XCTAssertEqual(answer.fields["kv-node"], "n2")
            for (name, value) in fields { XCTAssertEqual(answer.fields[name], value, "\(method) \(outcome)") }
            if fields["retry-after"] == nil { XCTAssertNil(answer.fields["retry-after"]) }
            if fields["etag"] == nil { XCTAssertNil(answer.fields["etag"]) }
            XCTAssertTrue(client.isOpen, "\(method) \(outcome)")
        }
    }
}
