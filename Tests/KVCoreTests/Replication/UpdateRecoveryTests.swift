import KVCore
import XCTest

/// Tests updates at a leader that has to recover the key, or whose configuration changes.
final class UpdateRecoveryTests: XCTestCase {
    func testAKeyIsRecoveredBeforeItsValueIsReadFromDisk() {
        let own = Record(Version(1, 1, 5), "7")
        let store = ManualStore(["k": own])
        let node = ManualNode(1, store: store)
        node.lead(rootOfOther: Digest(high: 1, low: 1))
        node.forgetSent()
        store.readsFromDisk = true
        let adds = [node.request(.add(1)), node.request(.add(1))]
        for read in node.takeSent(to: 2, \.read) {
            node.receive(.replica(read.header, .readResult(id: read.id, key: read.key, record: own)), from: 2)
        }
        XCTAssertFalse(node.hasSent(\.accept))
        node.forgetSent()
        node.completeLoads()
        XCTAssertFalse(node.hasSent(\.read), "a majority need not be asked again")
        node.choose()
        XCTAssertEqual(adds.map { node.answers[$0]?.sum }, [8, 9])
    }

    func testAReproposedUpdateAnswersWhatItCameTo() {
        let cluster = ManualCluster(nodes: 4)
        cluster.pass(200)
        _ = cluster[1].request(.put("7"))
        cluster.run()
        // The update has been proposed and sent, and no replica has answered.
        let adds = [cluster[1].request(.add(1)), cluster[1].request(.add(1))]
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        XCTAssertEqual(adds.map { cluster[1].answers[$0]?.sum }, [8, 9])
        let version = cluster[1].store.records["k"]?.version
        XCTAssertEqual(cluster[1].answers[adds[1]], .updated(version, .applied(.integer(9))))
    }

    func testAnUpdateThatWaitsForItsValueIsReproposedToo() {
        let cluster = ManualCluster(nodes: 4)
        cluster.pass(200)
        _ = cluster[1].request(.put("7"))
        cluster.run()
        cluster[1].store.readsFromDisk = true
        let add = cluster[1].request(.add(1))
        cluster.change(to: [1, 2, 3], next: [1, 2, 4])
        cluster.run()
        XCTAssertEqual(cluster[1].answers[add]?.sum, 8)
    }
}
