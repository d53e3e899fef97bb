import KVCore
import XCTest

@testable import KVAPI

/// What is refused before the node is asked, and whether the connection lives on.
final class HTTPRefusalTests: XCTestCase {
    private struct Case {
        var request: String
        var status: String
        var code: String
        var staysOpen: Bool

        init(_ request: String, _ status: String, _ code: String, staysOpen: Bool = true) {
            self.request = request
            self.status = status
            self.code = code
            self.staysOpen = staysOpen
        }
    }

    private func check(_ cases: [Case], line: UInt = #line) throws {
        for expected in cases {
            let client = try HTTPTestClient()
            client.backend.outcome = { _, _ in .written(version(1, 1, 1)) }
            let answer = client.exchange(expected.request)
            XCTAssertTrue(
                answer.status.hasPrefix(expected.status), "\(expected.request): \(answer.text)", line: line)
            XCTAssertEqual(answer.error, expected.code, expected.request, line: line)
            XCTAssertEqual(answer.fields["kv-node"], "n1", line: line)
            XCTAssertEqual(client.isOpen, expected.staysOpen, expected.request, line: line)
            XCTAssertEqual(
                answer.fields["connection"], expected.staysOpen ? nil : "close", expected.request, line: line)
            XCTAssertTrue(client.backend.asked.isEmpty, expected.request, line: line)
            guard expected.staysOpen else { continue }
            XCTAssertEqual(client.exchange(request("GET /ping")).body, "pong", expected.request, line: line)
        }
    }

    func testTargets() throws {
        let long = String(repeating: "k", count: 65)
        try check([
            Case(request("GET /"), "404", "unknown_path"),
            Case(request("GET /v1/kvs"), "404", "unknown_path"),
            Case(request("GET /v1/plans"), "404", "unknown_path"),
            Case(request("GET /v1/plan/stop"), "404", "unknown_path"),
            Case(request("POST /v1/nodes/n1"), "404", "unknown_path"),
            Case(request("POST /v1/nodes/n1/"), "404", "unknown_path"),
            Case(request("POST /v1/nodes/n1/join/now"), "404", "unknown_path"),
            Case(request("POST /v1/nodes/N1/join"), "400", "bad_node_id"),
            Case(request("POST /v1/nodes//leave"), "400", "bad_node_id"),
            Case(request("POST /v1/nodes/%FF/leave"), "400", "bad_node_id"),
            Case(request("GET /v1/kv/\(long)"), "414", "key_too_long"),
            Case(
                "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "415",
                "content_encoding"),
            Case(request("PUT /v1/kv/\(long)", body: "abc"), "414", "key_too_long"),
            Case(request("GET /v1/kv/a?x=\(String(repeating: "y", count: 2000))"), "414", "target_too_long"),
            Case(request("GET /v1/kv/%"), "400", "bad_encoding"),
            Case(request("GET /v1/kv/%4"), "400", "bad_encoding"),
            Case(request("GET /v1/kv/a%zz"), "400", "bad_encoding"),
            Case(request("GET /v1/kv/é"), "400", "bad_request", staysOpen: false),
            Case(request("GET /v1/kv/a#b"), "400", "bad_target"),
        ])
    }

    func testMethods() throws {
        try check([
            Case(request("POST /v1/kv/a", body: "x"), "405", "method_not_allowed"),
            Case(request("PATCH /v1/kv/a", body: "x"), "405", "method_not_allowed"),
            Case(request("OPTIONS /v1/kv/a"), "405", "method_not_allowed"),
            Case(request("PUT /v1/ring", body: "x"), "405", "method_not_allowed"),
            Case(request("DELETE /ping"), "405", "method_not_allowed"),
            Case(request("POST /v1/load", body: ""), "405", "method_not_allowed"),
            Case(request("GET /v1/nodes/n1/join"), "405", "method_not_allowed"),
            Case(request("PUT /v1/nodes/n1/leave", body: ""), "405", "method_not_allowed"),
            Case(request("GET /v1/plan/pause"), "405", "method_not_allowed"),
            Case(request("GET /v1/ring/split"), "405", "method_not_allowed"),
            Case(request("POST /v1/ring"), "405", "method_not_allowed"),
            Case(request("DELETE /v1/plan"), "405", "method_not_allowed"),
            Case(request("FROB /v1/kv/a"), "400", "bad_request", staysOpen: false),
        ])
        let client = try HTTPTestClient()
        XCTAssertEqual(client.exchange(request("POST /v1/kv/a", body: "")).fields["allow"], "GET, HEAD, PUT, DELETE")
        XCTAssertEqual(client.exchange(request("POST /v1/ring", body: "")).fields["allow"], "GET, HEAD")
        XCTAssertEqual(client.exchange(request("DELETE /v1/plan")).fields["allow"], "GET, HEAD, POST")
        XCTAssertEqual(client.exchange(request("GET /v1/plan/cancel")).fields["allow"], "POST")
    }

    func testParameters() throws {
        try check([
            Case(request("GET /v1/kv/a?stale=true"), "400", "unknown_parameter"),
            Case(request("GET /v1/kv/a?ttl=30s"), "400", "unknown_parameter"),
            Case(request("PUT /v1/kv/a?consistency=stale", body: ""), "400", "unknown_parameter"),
            Case(request("DELETE /v1/kv/a?ttl=1s"), "400", "unknown_parameter"),
            Case(request("GET /ping?x"), "400", "unknown_parameter"),
            Case(request("GET /v1/nodes?key=a"), "400", "unknown_parameter"),
            Case(request("GET /v1/load?timeout=1s"), "400", "unknown_parameter"),
            Case(request("GET /v1/ring?over=1s"), "400", "unknown_parameter"),
            Case(request("GET /v1/load?over=99ms"), "400", "bad_over"),
            Case(request("GET /v1/load?over=11s"), "400", "bad_over"),
            Case(request("GET /v1/load?over=1"), "400", "bad_over"),
            Case(request("GET /v1/load?over=99999999999999999999d"), "400", "bad_over"),
            Case(request("GET /v1/kv/a?timeout=1s&timeout=2s"), "400", "duplicate_parameter"),
            Case(request("GET /v1/kv/a?timeout"), "400", "bad_parameter"),
            Case(request("GET /v1/kv/a?timeout="), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?timeout=5"), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?timeout=0s"), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?timeout=-1s"), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?timeout=301s"), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?timeout=99999999999999999999d"), "400", "bad_timeout"),
            Case(request("GET /v1/kv/a?consistency=eventual"), "400", "bad_consistency"),
            Case(request("PUT /v1/kv/a?ttl=0s", body: "x"), "400", "bad_ttl"),
            Case(request("PUT /v1/kv/a?ttl=1w", body: "x"), "400", "bad_ttl"),
            Case(request("PUT /v1/kv/a?ttl=1.5s", body: "x"), "400", "bad_ttl"),
            Case(request("PUT /v1/kv/a?ttl=18446744073709551615d", body: "x"), "400", "bad_ttl"),
            Case(request("GET /v1/kv?limit=0"), "400", "bad_limit"),
            Case(request("GET /v1/kv?limit=1001"), "400", "bad_limit"),
            Case(request("GET /v1/kv?limit=+1"), "400", "bad_encoding"),
            Case(request("GET /v1/kv?limit=%2B1"), "400", "bad_limit"),
            Case(request("GET /v1/kv?values=yes"), "400", "bad_values"),
            Case(request("GET /v1/kv?prefix=\(String(repeating: "p", count: 65))"), "400", "bad_prefix"),
            Case(request("GET /v1/kv?cursor=%21"), "400", "bad_cursor"),
            Case(request("GET /v1/kv?cursor=AAQ"), "400", "bad_cursor"),
            Case(request("GET /v1/kv?prefix=%f"), "400", "bad_encoding"),
            Case(request("GET /v1/plan?dry_run=true"), "400", "unknown_parameter"),
            Case(request("POST /v1/plan/pause?timeout=1"), "400", "bad_timeout"),
            Case(request("POST /v1/plan?dry_run=true", body: "{}"), "400", "unknown_parameter"),
            Case(request("POST /v1/nodes/n4/join?force=true"), "400", "unknown_parameter"),
            Case(request("POST /v1/nodes/n4/join?weight=0"), "400", "bad_weight"),
            Case(request("POST /v1/nodes/n4/join?weight=-1"), "400", "bad_weight"),
            Case(request("POST /v1/nodes/n4/join?weight=99999999999999999999"), "400", "bad_weight"),
            Case(request("POST /v1/nodes/n4/join?zone=a/b"), "400", "bad_zone"),
            Case(request("POST /v1/nodes/n4/join?replace="), "400", "bad_node_id"),
            Case(request("POST /v1/nodes/n4/join?dry_run=1"), "400", "bad_parameter"),
            Case(request("POST /v1/nodes/n4/leave?force=yes"), "400", "bad_parameter"),
            Case(request("POST /v1/ring/split"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=100"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=0"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=-64"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions="), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=32768"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=99999999999999999999"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split?partitions=64&dry_run=1"), "400", "bad_parameter"),
            Case(request("POST /v1/ring/split?partitions=64&force=true"), "400", "unknown_parameter"),
        ])
    }

    func testConditionsAndContentTypes() throws {
        try check([
            Case(
                request("PUT /v1/kv/a", ["If-Match: \"1.1.1\"", "If-None-Match: *"], body: "x"), "400",
                "conflicting_conditions"),
            Case(request("PUT /v1/kv/a", ["If-None-Match: \"1.1.1\""], body: "x"), "400", "bad_condition"),
            Case(request("PUT /v1/kv/a", ["If-Match: W/\"1.1.1\""], body: "x"), "400", "bad_etag"),
            Case(request("PUT /v1/kv/a", ["If-Match: \"1.1.1\", \"1.1.2\""], body: "x"), "400", "bad_etag"),
            Case(request("PUT /v1/kv/a", ["If-Match: 1.1.1"], body: "x"), "400", "bad_etag"),
            Case(request("PUT /v1/kv/a", ["If-Match: \"01.1.1\""], body: "x"), "400", "bad_etag"),
            Case(request("PUT /v1/kv/a", ["If-Match: \"1.70000.1\""], body: "x"), "400", "bad_etag"),
            Case(request("DELETE /v1/kv/a", ["If-Match: \"\""]), "400", "bad_etag"),
            Case(request("DELETE /v1/kv/a", ["If-None-Match: *"]), "400", "bad_condition"),
            Case(request("GET /v1/kv/a", ["If-Match: \"1.1.1\""]), "400", "bad_condition"),
            Case(request("PUT /v1/kv/a", ["Content-Type: json"], body: "x"), "400", "bad_content_type"),
            Case(request("PUT /v1/kv/a", ["Content-Type: /json"], body: "x"), "400", "bad_content_type"),
            Case(request("PUT /v1/kv/a", ["Content-Type: text/"], body: "x"), "400", "bad_content_type"),
            Case(request("PUT /v1/kv/a", ["Content-Type: text/é"], body: "x"), "400", "bad_content_type"),
            Case(
                request("PUT /v1/kv/a", ["Content-Type: text/\(String(repeating: "x", count: 251))"], body: "x"), "400",
                "bad_content_type"),
        ])
    }

    func testFramingEndsTheConnection() throws {
        try check([
            Case("GET /ping HTTP/1.1\r\n\r\n", "400", "missing_host", staysOpen: false),
            Case(request("GET /ping", ["Host: other"]), "400", "duplicate_header", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["If-Match: *", "If-Match: *"], body: "x"), "400", "duplicate_header",
                staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Content-Length: 1", "Content-Length: 2"]) + "x", "400",
                "bad_content_length", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Content-Length: 1", "Content-Length: 1"]) + "x", "400",
                "bad_content_length", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Content-Length: 1", "Transfer-Encoding: chunked"]) + "x", "400",
                "bad_request", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Transfer-Encoding: chunked", "Content-Length: 1"]) + "x", "400",
                "bad_content_length", staysOpen: false),
            Case(request("PUT /v1/kv/a", ["Content-Length: +1"]) + "x", "400", "bad_content_length", staysOpen: false),
            Case(request("PUT /v1/kv/a", ["Content-Length: -1"]) + "x", "400", "bad_content_length", staysOpen: false),
            Case(request("PUT /v1/kv/a", ["Content-Length: 0x1"]) + "x", "400", "bad_content_length", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Transfer-Encoding: gzip, chunked"]) + "0\r\n\r\n", "400",
                "bad_transfer_encoding", staysOpen: false),
            Case(
                "PUT /v1/kv/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400",
                "bad_transfer_encoding", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Transfer-Encoding: chunked"]) + "zz\r\n", "400", "bad_chunk", staysOpen: false
            ),
            Case(request("PUT /v1/kv/a", ["Expect: 200-ok"], body: "x"), "400", "bad_expectation", staysOpen: false),
            Case("GET /ping HTTP/2.0\r\nHost: kv\r\n\r\n", "400", "bad_version", staysOpen: false),
            Case("GET /ping HTTP/1.1\nHost: kv\n\n", "400", "bad_version", staysOpen: false),
            Case(request("GET /ping", ["Bad Name: x"]), "400", "bad_request", staysOpen: false),
            Case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", "bad_request", staysOpen: false),
            Case("*1\r\n$4\r\nPING\r\n", "400", "bad_request", staysOpen: false),
        ])
    }

    func testBodies() throws {
        try check([
            Case(request("PUT /v1/kv/a"), "411", "length_required"),
            Case(request("GET /v1/kv/a", body: "x"), "400", "unexpected_body"),
            Case(request("DELETE /v1/kv/a", body: "x"), "400", "unexpected_body"),
            Case(
                request("GET /v1/kv/a", ["Transfer-Encoding: chunked"]) + "1\r\nx\r\n0\r\n\r\n", "400",
                "unexpected_body"),
            Case(request("PUT /v1/kv/a", ["Content-Length: 1001"]), "413", "value_too_large", staysOpen: false),
            Case(
                request("PUT /v1/kv/a", ["Content-Length: 9223372036854775808"]), "413", "value_too_large",
                staysOpen: false),
            Case(request("GET /v1/kv/a", ["Content-Length: 1001"]), "413", "value_too_large", staysOpen: false),
        ])
    }

    func testHeadsThatAreTooLarge() throws {
        let long = String(repeating: "x", count: 33 * 1024)
        let many = (0..<101).map { "X-\($0): 1" }
        let total = (0..<90).map { "X-\($0): \(String(repeating: "y", count: 400))" }
        try check([
            Case(request("GET /ping", ["X: \(long)"]), "431", "headers_too_large", staysOpen: false),
            Case(request("GET /v1/kv/\(long)"), "431", "headers_too_large", staysOpen: false),
            Case(request("GET /ping", many), "431", "headers_too_large", staysOpen: false),
            Case(request("GET /ping", total), "431", "headers_too_large", staysOpen: false),
        ])
    }

    func testChangesOfMembership() throws {
        let many = (0..<1001).map { "\"n\($0)\"" }.joined(separator: ",")
        let bodies = [
            "", "{}", "[]", "{", "{\"join\":[]}", "{\"join\":{}}", "{\"join\":[1]}", "{\"join\":[{}]}",
            "{\"join\":[{\"id\":\"n4\",\"wieght\":1}]}", "{\"join\":[{\"id\":4}]}", "{\"leave\":[{\"id\":\"n4\"}]}",
            "{\"leave\":[\"n2\"],\"force\":1}", "{\"leave\":[\"n2\"],\"foo\":null}", "{\"leave\":[\(many)]}",
        ]
        try check(bodies.map { Case(request("POST /v1/plan", body: $0), "400", "bad_body") })
        let n4 = "POST /v1/nodes/n4/join"
        try check([
            Case(request("POST /v1/plan", body: "{\"leave\":[\"N2\"]}"), "400", "bad_node_id"),
            Case(request("POST /v1/plan", body: "{\"join\":[\"\"]}"), "400", "bad_node_id"),
            Case(request(n4, body: "{\"id\":\"n4\"}"), "400", "bad_body"),
            Case(request(n4, body: "{\"weight\":1001}"), "400", "bad_weight"),
            Case(request(n4, body: "{\"weight\":\"1\"}"), "400", "bad_weight"),
            Case(request(n4, body: "{\"zone\":\"a b\"}"), "400", "bad_zone"),
            Case(request(n4, body: "{\"replace\":\"a b\"}"), "400", "bad_node_id"),
            Case(request("\(n4)?weight=1", body: "{\"weight\":1}"), "400", "bad_body"),
            Case(request("POST /v1/plan/pause", body: "{}"), "400", "unexpected_body"),
            Case(request("POST /v1/ring/split", body: "{}"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split", body: "{\"partitions\":\"64\"}"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split", body: "{\"partitions\":96}"), "400", "bad_partitions"),
            Case(request("POST /v1/ring/split", body: "{\"partitions\":64,\"force\":true}"), "400", "bad_body"),
            Case(request("POST /v1/ring/split?partitions=64", body: "{\"partitions\":64}"), "400", "bad_body"),
            Case(
                request("POST /v1/plan", ["Content-Length: \(64 << 10 + 1)"]), "413", "body_too_large", staysOpen: false
            ),
            Case(request(n4, ["Origin: http://evil.example"]), "403", "foreign_origin"),
            Case(request("POST /v1/plan/cancel", ["Origin: null"]), "403", "foreign_origin"),
            Case(request("POST /v1/ring/split?partitions=64", ["Origin: null"]), "403", "foreign_origin"),
        ])
    }

    func testEveryMessageSaysSomethingAndIsJSON() throws {
        let client = try HTTPTestClient()
        let answer = client.exchange(request("GET /v1/kv/%22quoted%0A%FF"))
        XCTAssertEqual(answer.fields["content-type"], "application/json")
        let parsed = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: String])
        XCTAssertEqual(parsed["error"], "not_found")
        XCTAssertTrue(parsed["message"]?.contains("\"quoted\n\u{fffd}") ?? false, answer.body)
    }
}
