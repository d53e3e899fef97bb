import XCTest

@testable import KVNode

final class ShardsWarningTests: XCTestCase {
    func testAnotherNumberOfShardsThanTheDirectoryHasIsSaid() {
        XCTAssertNil(NodeBase.shardsWarning(configured: 0, kept: 2, node: "n1"), "the default follows the directory")
        XCTAssertNil(NodeBase.shardsWarning(configured: 2, kept: 2, node: "n1"))
        let warning = NodeBase.shardsWarning(configured: 4, kept: 2, node: "n1") ?? ""
        XCTAssertTrue(warning.contains("storage.shards is 4"), warning)
        XCTAssertTrue(warning.contains("keeps the 2"), warning)
        XCTAssertTrue(warning.contains("kv join n1 --replace n1"), warning)
    }
}
