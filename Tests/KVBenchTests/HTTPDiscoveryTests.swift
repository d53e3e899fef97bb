import KVCore
import KVFakes
import XCTest

@testable import KVBench

/// The requests that the load generator makes by HTTP before a run.
final class HTTPDiscoveryTests: XCTestCase {
    private func cursors(limit: Int, _ answer: @escaping @Sendable (String) -> FakeNode.Reply) async throws -> [String]
    {
        let node = try await FakeNode(speaksFrames: false) { answer($0.line) }
        let discovery = HTTPDiscovery(BenchOptions(endpoints: [node.address], timeout: .milliseconds(5000)))
        let cursors = try await discovery.cursors(limit: limit)
        await discovery.client.close()
        try await node.stop()
        return cursors.map { String(decoding: $0, as: UTF8.self) }
    }

    func testScansBeginWherePagesEnd() async throws {
        let answer: @Sendable (String) -> FakeNode.Reply = { line in
            if line.contains("cursor=b") { return .status(200, [:], #"{"keys":[]}"#) }
            return .status(
                200, [:],
                line.contains("cursor=a%2F%2B")
                    ? #"{"keys":[],"cursor":"b"}"#
                    : """
                    {"keys":[],"cursor":"a/+"}
                    """)
        }
        let all = try await cursors(limit: 10, answer)
        XCTAssertEqual(all, ["", "a%2F%2B", "b"])
        let some = try await cursors(limit: 2, answer)
        XCTAssertEqual(some, ["", "a%2F%2B"])
    }

    func testAServerThatListsNothingHasOnePlace() async throws {
        let places = try await cursors(limit: 10) { _ in .error(404, "unknown_path", "no") }
        XCTAssertEqual(places, [""])
    }
}
