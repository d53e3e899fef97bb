import Foundation
import XCTest

/// The program of examples/client does what its comments say, in a cluster.
final class ClientExampleTests: XCTestCase {
    func testTheExample() throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let program = URL(fileURLWithPath: TestCluster.executable).deletingLastPathComponent()
            .appendingPathComponent("client-example").path
        let node = try cluster.node("n2").client
        let run = try cluster.run([program, node.host, "\(node.port)"].map { Array($0.utf8) })
        XCTAssertEqual(run.status, 0, run.errors)
        let lines = run.text.split(separator: "\n").map(String.init)
        XCTAssertEqual(lines.first?.hasPrefix("greeting is at version "), true, run.text)
        XCTAssertEqual(
            lines.dropFirst().sorted(),
            [
                "greeting is hello, world", "greeting is hello, world", "nothing is not there",
                "session/42 is {\"pages\":2,\"user\":\"alice\"}", "visits is 10", "visits is 10",
            ])
    }
}
