import KVCore
import KVWire
import XCTest

@testable import KVNode

final class PeerPolicyTests: XCTestCase {
    /// A node that was told only where its cluster is, and not what that is called.
    func testAPendingNodeWithoutANameTakesTheClusterAsItIs() {
        var pendingNode = policy(9)
        pendingNode.introduction.node = .pendingNode
        pendingNode.introduction.clusterName = Introduction.anyCluster
        pendingNode.introduction.clusterID = .unknown
        pendingNode.introduction.agreement = []
        pendingNode.topology = nil
        XCTAssertNil(policy(1).objection(to: pendingNode.introduction))
        XCTAssertNil(pendingNode.objection(to: policy(1).introduction))
        XCTAssertNotNil(objection { $0.clusterName = Introduction.anyCluster }, "a member has a name")
    }

    func testAMemberIsWelcome() {
        XCTAssertNil(objection { _ in })
    }

    /// An earlier version does not know of splits: it would take keys for another partition's.
    func testAnEarlierVersionIsRefusedOncePartitionsAreSplit() {
        var mine = policy(1)
        XCTAssertNil(mine.objection(to: policy(2).introduction.spoken(3)))
        let assignment = mine.topology?.assignments[0]
        assignment.map { mine.topology?.assignments.append($0) }
        XCTAssertNil(mine.objection(to: policy(2).introduction))
        XCTAssertEqual(
            mine.objection(to: policy(2).introduction.spoken(3))?.text,
            """
            n2 is of an earlier version, and the partitions of "demo" have been split, which that version does not know \
            of; start it with the version of n1
            """)
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
        XCTAssertEqual(difference { $0.removeFirst() }, #"cluster.partitions is "1024" on n1 and not set on n2"#)
    }

    func testItself() {
        XCTAssertEqual(
            objection { $0.node = NodeNumber(1) },
            """
            n2 has the number of n1 itself (#1): two processes run as the same node, or a peer address leads back; \
            start each with its own --node and correct the peer addresses
            """)
    }

    func testConfigurationsAreComparedByFirstMembersOnly() {
        func isRefused(_ epoch: Epoch) -> Bool {
            objection {
                $0.epoch = epoch
                $0.agreement[3].value = "b:1"
            } != nil
        }
        XCTAssertTrue(isRefused(1))
        XCTAssertFalse(isRefused(2), "members are those of the topology, whatever the files say")
        XCTAssertEqual(
            objection {
                $0.epoch = 2
                $0.clusterID = UUID128(high: 0, low: 2)
                $0.agreement[3].value = "b:1"
            },
            """
            the configurations of n1 and n2 differ: nodes[n1].peer is "a:1" on n1 and "b:1" on n2; give all nodes the \
            same file and start them again
            """, "why they are not of one cluster")
        XCTAssertEqual(
            objection {
                $0.epoch = 2
                $0.agreement[1].value = "5"
            },
            """
            the configurations of n1 and n2 differ: cluster.replicas is "3" on n1 and "5" on n2; give all nodes the \
            same file and start them again
            """)
    }

    /// While a cluster is being founded, a refusal; afterwards a warning, as modes are changed on one node after
    /// another.
    func testModesOfSyncingAreComparedWhereBothSayThem() throws {
        func saying(_ mode: String?, _ number: UInt16, isFounding: Bool = false, epoch: Epoch = 1) -> PeerPolicy {
            policy(number) { policy in
                policy.introduction.epoch = epoch
                if let mode {
                    policy.introduction.agreement.append(AgreementLine(path: "storage.sync", value: mode))
                }
                policy.isFounding = { isFounding }
            }
        }
        let other = saying("interval", 2).introduction
        XCTAssertEqual(
            saying("always", 1, isFounding: true).objection(to: other)?.text,
            """
            the configurations of n1 and n2 differ: storage.sync is "always" on n1 and "interval" on n2, and a new \
            cluster begins with the same on all; give all nodes the same file and start them again
            """)
        XCTAssertNil(saying("interval", 1, isFounding: true).objection(to: other))
        XCTAssertNil(saying(nil, 1, isFounding: true).objection(to: other), "a version before does not say it")
        XCTAssertNil(saying("always", 1, isFounding: true).objection(to: saying(nil, 2).introduction))
        for epoch in [1, 2] as [Epoch] {
            let mine = saying("always", 1, epoch: epoch)
            XCTAssertNil(mine.objection(to: saying("interval", 2, epoch: epoch).introduction), "epoch \(epoch)")
            XCTAssertEqual(
                mine.syncWarning(about: other),
                """
                storage.sync is "always" on n1 and "interval" on n2: a write is as safe from power loss as the weakest \
                mode among those that hold it; give all nodes the same, one after another
                """)
        }
        XCTAssertNil(saying("interval", 1).syncWarning(about: other))
        XCTAssertNil(saying("always", 1).syncWarning(about: saying(nil, 2).introduction))
    }

    func testAStranger() {
        XCTAssertEqual(
            objection { ($0.node, $0.nodeID) = (NodeNumber(9), "n9") },
            """
            n9 (#9) is not a member known to n1 at epoch 1; if it has just been admitted, n1 will hear of it and let it in
            """)
        XCTAssertEqual(
            objection { $0.nodeID = "n9" },
            """
            n9 has the number of n2 (#2): two processes run as the same node; start each with its own --node and its \
            own data directory
            """)
    }

    func testAnotherStoreThanWasSeenFirst() {
        XCTAssertEqual(
            objection { $0.store = UUID128(high: 0, low: 77) },
            "n2 has the store 0000000000000000000000000000004d, another than before")
    }

    func testAnotherStoreThanTheTopologyNames() {
        let mine = policy(1) { $0.topology?.members[1].store = UUID128(high: 0, low: 2) }
        XCTAssertNil(mine.objection(to: policy(2).introduction))
        XCTAssertEqual(
            mine.objection(to: policy(2) { $0.introduction.store = UUID128(high: 0, low: 77) }.introduction)?.text,
            """
            n2 has another data directory than before (store 0000000000000000000000000000004d, known to n1 is \
            00000000000000000000000000000002): with what it had promised forgotten it cannot vote; start it with its \
            own data directory or, where that is lost, with an empty one and --seed, and run `kv join n2 --replace n2`
            """)
    }

    func testWhatItsStartsSayCountsOfAMember() {
        let mine = policy(1) { $0.startObjection = { $0.boot < 20 ? Objection(.outdatedStore, "old") : nil } }
        XCTAssertNil(mine.objection(to: policy(2).introduction))
        let older = policy(2) { $0.introduction.boot = 19 }.introduction
        XCTAssertEqual(mine.objection(to: older), Objection(.outdatedStore, "old"))
    }

    func testARemovedStoreDoesNotReturn() throws {
        let mine = policy(1) {
            $0.topology = topology([1, 3], epoch: 4) { topology in
                topology.removed = [RemovedMember(number: NodeNumber(2), id: "n2", store: UUID128(high: 0, low: 2))]
            }
        }
        let message = """
            n2 was removed from the cluster "demo", and its data with it; to let it join again as a new member, empty \
            its data directory, start it with --seed and run `kv join n2`
            """
        XCTAssertEqual(mine.objection(to: policy(2).introduction), Objection(.removed, message))
        XCTAssertEqual(
            mine.objection(to: pendingNodePolicy("n2", store: 2).introduction), Objection(.removed, message))
        XCTAssertNil(mine.objection(to: pendingNodePolicy("n2", store: 22).introduction), "a new one may apply")
        XCTAssertTrue(message.contains(PeerPolicy.removal))
    }

    func testANumberGivenBeforeAndNoMembersIsThatOfARemovedMember() throws {
        let mine = policy(1) { $0.topology = topology([1, 3], epoch: 4) }
        let refusal = try XCTUnwrap(mine.objection(to: policy(2).introduction))
        XCTAssertTrue(refusal.text.hasPrefix("n2 (#2) was removed from the cluster \"demo\""), refusal.text)
        XCTAssertEqual(refusal.code, .removed)
        let later = policy(2) { $0.introduction.epoch = 5 }.introduction
        let doubt = try XCTUnwrap(mine.objection(to: later))
        XCTAssertFalse(doubt.text.contains(PeerPolicy.removal), "who goes by a later topology may know better")
    }

    // MARK: Pending nodes

    func testAPendingNodeIsLetInToApply() {
        XCTAssertNil(policy(1).objection(to: pendingNodePolicy("n4", store: 4).introduction))
        XCTAssertNil(pendingNodePolicy("n4", store: 4).objection(to: policy(1).introduction))
    }

    func testAPendingNodeOfAnotherClusterIsNot() throws {
        func objection(_ change: @escaping (inout Introduction) -> Void) -> Objection? {
            policy(1).objection(to: pendingNodePolicy("n4", store: 4) { change(&$0.introduction) }.introduction)
        }
        XCTAssertNotNil(objection { $0.clusterName = "prod" })
        XCTAssertNotNil(
            objection { $0.clusterID = UUID128(high: 0, low: 2) }, "only who knows no cluster may not name one")
        XCTAssertNotNil(objection { $0.agreement = [AgreementLine(path: "cluster.replicas", value: "5")] })
        XCTAssertNil(objection { $0.agreement = [AgreementLine(path: "cluster.replicas", value: "3")] })
        XCTAssertNotNil(
            policy(1).objection(to: policy(2) { $0.introduction.clusterID = .unknown }.introduction),
            "a member knows its cluster")
    }

    func testPendingNodesDoNotAdmitEachOther() {
        XCTAssertEqual(
            pendingNodePolicy("n4", store: 4).objection(to: pendingNodePolicy("n5", store: 5).introduction),
            "n5 waits to be admitted itself, as n4 does; give both the peer address of a member as seed")
    }

    func testASeedThatLeadsBack() {
        let mine = pendingNodePolicy("n4", store: 4)
        XCTAssertEqual(
            mine.objection(to: mine.introduction),
            "n4 is this node itself: the address leads back; name the peer addresses of other nodes")
    }

    func testAMemberThatDoesNotKnowYetIsKnownByItsStore() throws {
        let admitted = policy(1) {
            $0.topology?.members[1].store = UUID128(high: 0, low: 22)
        }
        let target = PeerTarget(member(2))
        XCTAssertNil(admitted.objection(to: pendingNodePolicy("n2", store: 22).introduction, at: target))
        XCTAssertEqual(
            admitted.objection(to: pendingNodePolicy("n2", store: 23).introduction, at: target),
            """
            the peer address of n2, 127.0.0.1:1, is answered by n2, which waits to be admitted with another data \
            directory; let it take the place of n2 with `kv join n2 --replace n2`
            """)
    }

    func testTextOfStrangersIsMadeFitToPrint() {
        XCTAssertEqual(printable("a\u{1b}[31m\nb\u{2028}"), "a\u{fffd}[31m\u{fffd}b\u{fffd}")
        XCTAssertEqual(printable(String(repeating: "x", count: 300), limit: 5), "xxxxx...")
    }

    /// The objection of n1 to a changed introduction of n2.
    private func objection(_ change: (inout Introduction) -> Void) -> String? {
        var introduction = policy(2).introduction
        change(&introduction)
        return policy(1).objection(to: introduction)?.text
    }
}
