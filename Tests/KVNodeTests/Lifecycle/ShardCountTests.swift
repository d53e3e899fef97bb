import Foundation
import KVConfig
import XCTest

@testable import KVNode

final class ShardCountTests: XCTestCase {
    func testANewDirectoryHasAShardForEachProcessor() {
        XCTAssertEqual(DataDirectory.newShards(configured: 0, processors: 1), 1)
        XCTAssertEqual(DataDirectory.newShards(configured: 0, processors: 7), 7)
        let most = ClusterFile.Storage.maximumDefaultShards
        XCTAssertEqual(DataDirectory.newShards(configured: 0, processors: most + 1), most)
        XCTAssertEqual(DataDirectory.newShards(configured: 0, processors: 0), 1, "a machine that does not say")
        XCTAssertEqual(DataDirectory.newShards(configured: 3, processors: 7), 3)
        XCTAssertEqual(
            DataDirectory.newShards(configured: ClusterFile.Storage.maximumShards, processors: 1),
            ClusterFile.Storage.maximumShards, "who asks for more than there are processors gets them")
    }

    func testTheProcessorsOfThisMachine() {
        XCTAssertGreaterThanOrEqual(ProcessorCount.usable, 1)
        XCTAssertLessThanOrEqual(ProcessorCount.usable, ProcessInfo.processInfo.processorCount)
    }

    func testADirectoryKeepsItsNumberWithoutAWord() throws {
        let fixture = try DirectoryFixture()
        func open(_ shards: Int) throws -> (kept: Int, warning: String?) {
            let configuration = try fixture.configuration(
                """
                cluster: {name: demo, partitions: 4}
                nodes: [{id: n1, client: "127.0.0.1:7401", peer: "127.0.0.1:7501"}]
                storage: {shards: \(shards)}
                """
            ) { $0.node = "n1" }
            let kept = try DataDirectory.open(configuration).stores.count
            return (kept, NodeBase.shardsWarning(configured: shards, kept: kept, node: "n1"))
        }
        // More than the default of any machine, so that the default is another number.
        let begun = ClusterFile.Storage.maximumDefaultShards + 1
        XCTAssertEqual(try open(begun).kept, begun)
        let again = try open(0)
        XCTAssertEqual(again.kept, begun, "the default is for new directories")
        XCTAssertNil(again.warning, "who has not chosen a number is not told of one")
        let other = try open(2)
        XCTAssertEqual(other.kept, begun)
        XCTAssertNotNil(other.warning)
    }

    func testAnotherNumberOfShardsThanTheDirectoryHasIsSaid() {
        XCTAssertNil(NodeBase.shardsWarning(configured: 0, kept: 2, node: "n1"), "the default follows the directory")
        XCTAssertNil(NodeBase.shardsWarning(configured: 2, kept: 2, node: "n1"))
        let warning = NodeBase.shardsWarning(configured: 4, kept: 2, node: "n1") ?? ""
        XCTAssertTrue(warning.contains("storage.shards is 4"), warning)
        XCTAssertTrue(warning.contains("keeps the 2"), warning)
        XCTAssertTrue(warning.contains("kv join n1 --replace n1"), warning)
    }
}
