import KVClient
import KVCore
import XCTest

@testable import KVAPI

/// Nodes write the cluster's state by hand, and the client library has types of its own for it. These tests compare the
/// two: a field that only one of them knows, or names differently, is lost on the way.
final class ClientLibraryJSONTests: XCTestCase {
    /// Decodes a node's answer as the library does, and expects the library to encode the same.
    private func assertComesBack<Status: Codable>(
        _ type: Status.Type, _ target: String, _ client: HTTPTestClient, line: UInt = #line
    ) throws {
        let answer = client.exchange(request("GET \(target)"))
        XCTAssertEqual(answer.status, "200 OK", answer.text, line: line)
        let status = try JSONDecoder().decode(type, from: Data(answer.body.utf8))
        let written = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? NSDictionary)
        let again = try XCTUnwrap(
            JSONSerialization.jsonObject(with: try JSONEncoder().encode(status)) as? NSDictionary)
        XCTAssertEqual(again, written, line: line)
    }

    /// A cluster of which everything is told that can be told.
    private func busyCluster() throws -> HTTPTestClient {
        let client = try HTTPTestClient()
        client.backend.cluster?.plan = HTTPPlanTests.plan
        client.backend.cluster?.coordinator = NodeNumber(2)
        client.backend.cluster?.pendingNodes = [
            PendingNode(
                id: "n4", client: Address(host: "h", port: 1), peer: Address(host: "h", port: 2), zone: "b", weight: 3,
                store: UUID128(high: 0, low: 1), boot: 1, admitsItself: true)
        ]
        client.backend.cluster?.topology.assignments[0].next = [NodeNumber(2)]
        return client
    }

    func testRings() throws {
        try assertComesBack(RingStatus.self, "/v1/ring", try HTTPTestClient())
        try assertComesBack(RingStatus.self, "/v1/ring", try busyCluster())
    }

    func testPlacements() throws {
        let client = try busyCluster()
        for key in ["a", "b", "c", "d", "e", "f"] {
            try assertComesBack(KeyPlacement.self, "/v1/ring?key=\(key)", client)
        }
    }

    func testLoads() throws {
        try assertComesBack(LoadStatus.self, "/v1/load", try HTTPTestClient())
    }

    func testPlans() throws {
        let client = try HTTPTestClient()
        try assertComesBack(PlanAnswer.self, "/v1/plan", client)
        client.backend.verdict = .plan(HTTPPlanTests.plan)
        try assertComesBack(PlanAnswer.self, "/v1/plan", client)
        var plan = HTTPPlanTests.plan
        plan.isPaused = true
        client.backend.verdict = .plan(plan)
        try assertComesBack(PlanAnswer.self, "/v1/plan", client)
        client.backend.verdict = .plan(HTTPPlanTests.split)
        try assertComesBack(PlanAnswer.self, "/v1/plan", client)
    }
}
