import KVCore
import XCTest

@testable import KVAPI

/// Changes of membership: what is asked of the coordinator, and how its replies are told.
final class HTTPPlanTests: XCTestCase {
    /// The requests that reach the coordinator for one that a client sends.
    private func asked(_ text: String, line: UInt = #line) throws -> [ControlRequest] {
        let client = try HTTPTestClient()
        let answer = client.exchange(text)
        XCTAssertEqual(answer.status, "200 OK", answer.text, line: line)
        XCTAssertEqual(answer.body, "{\"plan\":null}", line: line)
        return client.backend.controls.map(\.request)
    }

    private func join(
        _ id: String, _ weight: Int? = nil, _ zone: String? = nil, replaces: String? = nil
    ) -> MembershipChange.Join { MembershipChange.Join(id: id, weight: weight, zone: zone, replaces: replaces) }

    func testOneNode() throws {
        let plain = ControlRequest.change(MembershipChange(joins: [join("n4")]), isDryRun: false)
        XCTAssertEqual(try asked(request("POST /v1/nodes/n4/join")), [plain])
        XCTAssertEqual(try asked(request("POST /v1/nodes/n%34/join", body: "{}")), [plain])
        let full = ControlRequest.change(
            MembershipChange(joins: [join("n4", 2, "b", replaces: "n3")]), isDryRun: true)
        XCTAssertEqual(
            try asked(request("POST /v1/nodes/n4/join?weight=2&zone=b&replace=n3&dry_run=true&timeout=1s")), [full])
        let body = "{\"weight\":2, \"zone\":\"b\", \"replace\":\"n3\", \"dry_run\":true}"
        XCTAssertEqual(try asked(request("POST /v1/nodes/n4/join?timeout=1s", body: body)), [full])
        XCTAssertEqual(
            try asked(request("POST /v1/nodes/n4/join?zone=")),
            [.change(MembershipChange(joins: [join("n4", nil, "")]), isDryRun: false)])
        let leave = MembershipChange(leaves: ["n2"], isForced: true)
        XCTAssertEqual(
            try asked(request("POST /v1/nodes/n2/leave?force=true")), [.change(leave, isDryRun: false)])
        XCTAssertEqual(
            try asked(request("POST /v1/nodes/n2/leave", body: "{\"force\":true,\"dry_run\":true}")),
            [.change(leave, isDryRun: true)])
    }

    func testSeveralNodes() throws {
        let body = """
            {"join": [{"id": "n4", "weight": 1, "zone": "a", "replace": "n3"}, "n5", {"id": "n6", "zone": null}],
             "leave": ["n2"], "force": false, "dry_run": true}
            """
        let change = MembershipChange(
            joins: [join("n4", 1, "a", replaces: "n3"), join("n5"), join("n6")], leaves: ["n2"])
        XCTAssertEqual(try asked(request("POST /v1/plan", body: body)), [.change(change, isDryRun: true)])
        let chunked = request("POST /v1/plan", ["Transfer-Encoding: chunked"])
        XCTAssertEqual(
            try asked(chunked + "a\r\n{\"leave\":[\r\n6\r\n\"n2\"]}\r\n0\r\n\r\n"),
            [.change(MembershipChange(leaves: ["n2"]), isDryRun: false)])
    }

    func testSplits() throws {
        let split = ControlRequest.split(partitions: 128, isDryRun: false)
        XCTAssertEqual(try asked(request("POST /v1/ring/split?partitions=128")), [split])
        XCTAssertEqual(try asked(request("POST /v1/ring/split", body: "{\"partitions\":128}")), [split])
        let dry = ControlRequest.split(partitions: 16384, isDryRun: true)
        XCTAssertEqual(try asked(request("POST /v1/ring/split?partitions=16384&dry_run=true&timeout=1s")), [dry])
        XCTAssertEqual(
            try asked(request("POST /v1/ring/split?timeout=1s", body: "{\"dry_run\":true,\"partitions\":16384}")), [dry]
        )
        XCTAssertEqual(
            try asked(request("POST /v1/ring/split?partitions=1")), [.split(partitions: 1, isDryRun: false)],
            "the coordinator knows how many there are")
        let client = try HTTPTestClient()
        _ = client.exchange(request("POST /v1/ring/split?partitions=2&timeout=7s"))
        XCTAssertEqual(client.backend.controls.map(\.timeout), [.milliseconds(7000)])
    }

    func testProgressOfASplit() throws {
        let client = try HTTPTestClient()
        client.backend.verdict = .plan(Self.split)
        let answer = client.exchange(request("POST /v1/ring/split?partitions=128"))
        XCTAssertEqual(
            answer.body,
            """
            {"plan":{"id":12,"reason":"split","joining":[],"leaving":[],"paused":true,"cancelling":false,"moves":0,\
            "moves_done":0,"partitions_left":0,"minimum":0,"bytes":0,"bytes_done":0,"rate":0,"eta_seconds":null,\
            "partitions":96,"split_to":128,"waits_for":"n1","under_way":[],"shares":[{"id":"n1","replicas_before":96,\
            "replicas_after":128,"leaders_before":96,"leaders_after":128}]}}
            """)
    }

    static let split = PlanStatus(
        id: 12, reason: .split, joining: [], leaving: [], isPaused: true, isCancelling: false, moves: 0, movesDone: 0,
        partitionsLeft: 0, minimum: 0, bytes: 0, bytesDone: 0, rate: 0, underWay: [], partitions: 96, splitTo: 128,
        waitsFor: "n1",
        shares: [ShareChange(id: "n1", replicasBefore: 96, replicasAfter: 128, leadersBefore: 96, leadersAfter: 128)])

    func testThePlanUnderWay() throws {
        XCTAssertEqual(try asked(request("GET /v1/plan")), [.status])
        XCTAssertEqual(try asked(request("POST /v1/plan/pause")), [.pause])
        XCTAssertEqual(try asked(request("POST /v1/plan/resume", body: "")), [.resume])
        XCTAssertEqual(try asked(request("POST /v1/plan/cancel", ["Origin: http://kv"])), [.cancel])
        let client = try HTTPTestClient()
        _ = client.exchange(request("POST /v1/plan/pause?timeout=7s"))
        _ = client.exchange(request("GET /v1/plan"))
        XCTAssertEqual(client.backend.controls.map(\.timeout), [.milliseconds(7000), RequestOptions.defaultTimeout])
    }

    func testProgress() throws {
        let client = try HTTPTestClient()
        client.backend.verdict = .plan(Self.plan)
        let answer = client.exchange(request("GET /v1/plan"))
        let shown = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: NSDictionary])
        XCTAssertEqual(shown["plan"], Self.shown)
        client.backend.cluster?.plan = Self.plan
        for target in ["/v1/ring", "/v1/nodes"] {
            let answer = client.exchange(request("GET \(target)"))
            let all = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? NSDictionary)
            XCTAssertEqual(all["plan"] as? NSDictionary, Self.shown)
        }
        client.backend.cluster = nil
        let nameless = client.exchange(request("GET /v1/plan"))
        XCTAssertTrue(nameless.body.contains("\"to\":[\"#2\",\"#4\"]"), nameless.body)
    }

    static let plan = PlanStatus(
        id: 12, reason: .eviction, joining: ["n4"], leaving: ["n3"], isPaused: false, isCancelling: true, moves: 100,
        movesDone: 40, partitionsLeft: 61, minimum: 99, bytes: 1001, bytesDone: 400, rate: 100,
        underWay: [
            .unreachable(NodeNumber(4)), .silent(NodeNumber(1)), .settling, .paused, nil,
        ].map { (obstacle: MoveObstacle?) in
            MoveStatus(
                partition: PartitionID(7), from: [NodeNumber(1)], to: [NodeNumber(2), NodeNumber(4)], sent: 5, total: 9,
                obstacle: obstacle)
        },
        shares: [ShareChange(id: "n1", replicasBefore: 1, replicasAfter: 2, leadersBefore: 3, leadersAfter: 4)])

    private static var shown: NSDictionary {
        let obstacles: [Any] = [
            [
                "code": "unreachable", "node": "#4",
                "message": "#4 is not in touch: is it up, and can the others reach its peer address?",
            ],
            [
                "code": "silent", "node": "n1",
                "message": "n1 does not take what it is sent: is its disk full? its log says more",
            ],
            [
                "code": "settling",
                "message": "its leader is making sure that its copy is the latest, with a majority of the replicas",
            ],
            ["code": "paused", "message": "the plan is paused: resume it, or cancel it"],
            NSNull(),
        ]
        return [
            "id": 12, "reason": "eviction", "joining": ["n4"], "leaving": ["n3"], "paused": false, "cancelling": true,
            "moves": 100, "moves_done": 40, "partitions_left": 61, "minimum": 99, "bytes": 1001, "bytes_done": 400,
            "rate": 100, "eta_seconds": 7,
            "under_way": obstacles.map {
                ["partition": 7, "from": ["n1"], "to": ["n2", "#4"], "sent": 5, "total": 9, "obstacle": $0]
            },
            "shares": [
                ["id": "n1", "replicas_before": 1, "replicas_after": 2, "leaders_before": 3, "leaders_after": 4]
            ],
        ]
    }

    func testRefusals() throws {
        let client = try HTTPTestClient()
        for (reply, status, code) in [
            (.refused(.noSuchNode, "why"), "404 Not Found", "no_such_node"),
            (.refused(.planUnderWay, "why"), "409 Conflict", "plan_under_way"),
            (.refused(.noPlan, "why"), "409 Conflict", "no_plan"),
            (.refused(.impossible, "why"), "409 Conflict", "impossible"),
            (.refused(.noCoordinator, "why"), "503 Service Unavailable", "no_coordinator"),
            (.notCoordinator(hint: nil), "503 Service Unavailable", "no_coordinator"),
            (.unknown, "504 Gateway Timeout", "outcome_unknown"),
        ] as [(ControlReply, String, String)] {
            client.backend.verdict = reply
            let answer = client.exchange(request("POST /v1/nodes/n4/join"))
            XCTAssertEqual(answer.status, status)
            XCTAssertEqual(answer.error, code)
            if case .refused = reply { XCTAssertTrue(answer.body.hasSuffix("\"message\":\"why\"}"), answer.body) }
        }
        XCTAssertTrue(client.isOpen)
    }
}
