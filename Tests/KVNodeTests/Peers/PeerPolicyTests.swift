import KVCore
import KVWire
import XCTest

@testable import KVNode

final class PeerPolicyTests: XCTestCase {
    func testAMemberIsWelcome() {
        XCTAssertNil(objection { _ in })
    }

    func testAnotherCluster() {
        XCTAssertEqual(
            objection { $0.clusterName = "prod\n" },
            """
            n2 is of the cluster "prod\u{fffd}", n1 of "demo"; correct cluster.name, or the peer addresses, in the \
            configuration of one of them
            """)
        XCTAssertEqual(
            objection { $0.clusterID = UUID128(high: 0, low: 2) },
            """
            n2 is of the cluster with the id 00000000000000000000000000000002, n1 of \
            00000000000000000000000000000001, both named "demo"; start each with the data directory of the same cluster
            """)
    }

    func testTheFirstDifferenceIsNamed() {
        func difference(_ change: (inout [AgreementLine]) -> Void) -> String? {
            objection { change(&$0.agreement) }.map {
                $0.replacing("the configurations of n1 and n2 differ: ", with: "")
                    .replacing("; give all nodes the same file and start them again", with: "")
            }
        }
        XCTAssertEqual(
            difference {
                $0[1].value = "5"
                $0[2].value = "b:1"
            }, #"cluster.replicas is "3" on n1 and "5" on n2"#)
        XCTAssertEqual(difference { $0.removeLast() }, #"nodes[n1].peer is "a:1" on n1 and not set on n2"#)
        XCTAssertEqual(difference { $0.remove(at: 1) }, #"cluster.replicas is "3" on n1 and not set on n2"#)
        XCTAssertEqual(
            difference { $0.append(AgreementLine(path: "x", value: "y")) }, #"x is "y" on n2 and not set on n1"#)
        XCTAssertEqual(
            difference { $0.insert(AgreementLine(path: "x", value: "y"), at: 1) }, #"x is "y" on n2 and not set on n1"#)
        XCTAssertEqual(difference { $0 = [] }, #"cluster.partitions is "1024" on n1 and not set on n2"#)
    }

    func testItself() {
        XCTAssertEqual(
            objection { $0.node = NodeNumber(1) },
            """
            n2 has the number of n1 itself (#1): two processes run as the same node, or a peer address leads back; \
            start each with its own --node and correct the peer addresses
            """)
    }

    func testAStranger() {
        let message = """
            is not a member known to n1; list it under nodes: in the configuration of every node, and start them again
            """
        XCTAssertEqual(objection { ($0.node, $0.nodeID) = (NodeNumber(9), "n9") }, "n9 (#9) \(message)")
        XCTAssertEqual(objection { $0.nodeID = "n9" }, "n9 (#2) \(message)")
    }

    func testAnotherStore() {
        XCTAssertEqual(
            objection { $0.store = UUID128(high: 0, low: 77) },
            "n2 has the store 0000000000000000000000000000004d, another than before")
    }

    func testTextOfStrangersIsMadeFitToPrint() {
        XCTAssertEqual(printable("a\u{1b}[31m\nb\u{2028}"), "a\u{fffd}[31m\u{fffd}b\u{fffd}")
        XCTAssertEqual(printable(String(repeating: "x", count: 300), limit: 5), "xxxxx...")
    }

    /// Of n1 to what n2 says of itself.
    private func objection(_ change: (inout Introduction) -> Void) -> String? {
        var introduction = policy(2).introduction
        change(&introduction)
        return policy(1).objection(to: introduction)
    }
}
