import KVCore
import XCTest

/// Tests what a cluster machine learns of other nodes by messages: pending nodes, stores and the progress of moves.
final class ClusterMessageTests: XCTestCase {
    private func pendingNode(_ id: String, _ store: UInt64 = 50, boot: UInt64 = 1) -> PendingNode {
        PendingNode(
            id: id, client: Address(host: "h", port: 1), peer: Address(host: "h", port: 2), zone: "Z1", weight: 1,
            store: UUID128(high: 2, low: store), boot: boot, admitsItself: false)
    }

    func testAnnouncementsAreRelayedOnce() {
        var single = SingleMachine()
        let first = single.give(0, .announce(pendingNode("a")))
        XCTAssertEqual(first.sent.map(\.to), [2, 3])
        XCTAssertEqual(first.notices, [.applied(pendingNode("a"))])
        XCTAssertEqual(single.give(0, .announce(pendingNode("a"))).sent.map(\.to), [2, 3])
        XCTAssertEqual(single.give(2, .announce(pendingNode("a"))).count, 0, "a member has relayed it already")
        XCTAssertEqual(single.machine.pendingNodes, [pendingNode("a")])
    }

    func testAPendingNodeThatFallsSilentIsForgotten() {
        var single = SingleMachine()
        _ = single.give(0, .announce(pendingNode("a")))
        _ = single.wait(4000)
        _ = single.give(3, .announce(pendingNode("b", 51)))
        _ = single.wait(1000)
        XCTAssertEqual(single.machine.pendingNodes.map(\.id), ["b"])
    }

    func testTheNewestProcessOfAPendingNodeCounts() {
        var single = SingleMachine()
        _ = single.give(0, .announce(pendingNode("b", boot: 2)))
        XCTAssertEqual(single.give(0, .announce(pendingNode("a", boot: 1))).count, 0)
        XCTAssertEqual(single.machine.pendingNodes.map(\.id), ["b"])
        _ = single.give(0, .announce(pendingNode("c", boot: 3)))
        XCTAssertEqual(single.machine.pendingNodes.map(\.id), ["c"])
    }

    func testStrangersAreCheckedAndCounted() {
        var options = ClusterOptions()
        options.maximumPendingNodes = 2
        var single = SingleMachine(options: options)
        var wrong: [PendingNode] = ["", "A", "..", "a b", String(repeating: "a", count: 65)].map { pendingNode($0) }
        for change in [
            { $0.weight = 0 }, { $0.weight = 1001 }, { $0.zone = "a/b" }, { $0.peer.port = 0 },
            { $0.client.port = 65536 },
            { $0.peer.host = "" }, { $0.client.host = String(repeating: "h", count: 256) },
        ] as [(inout PendingNode) -> Void] {
            var bad = pendingNode("a")
            change(&bad)
            wrong.append(bad)
        }
        for bad in wrong { XCTAssertEqual(single.give(0, .announce(bad)).count, 0, "\(bad)") }
        for store in 1...3 as ClosedRange<UInt64> { _ = single.give(0, .announce(pendingNode("a", store))) }
        XCTAssertEqual(single.machine.pendingNodes.count, 2)
    }

    func testAForeignStoreIsSpokenOfOnceAndNotRecorded() {
        var single = SingleMachine()
        var named = single.later(2)
        named.members[1].store = UUID128(high: 1, low: 2)
        _ = single.give(3, .topology(named))
        _ = single.give(.persisted(2))
        let other = UUID128(high: 9, low: 9)
        XCTAssertEqual(
            single.give(.storeSeen(NodeNumber(2), UUID128(high: 1, low: 2), takesChanges: false)).notices, [])
        XCTAssertEqual(
            single.give(.storeSeen(NodeNumber(2), other, takesChanges: false)).notices,
            [.foreignStore(NodeNumber(2), other)])
        XCTAssertEqual(single.give(.storeSeen(NodeNumber(2), other, takesChanges: false)).notices, [])
        // A copy of member 2's directory is not member 3's.
        let copy = UUID128(high: 1, low: 2)
        XCTAssertEqual(
            single.give(.storeSeen(NodeNumber(3), copy, takesChanges: false)).notices,
            [.foreignStore(NodeNumber(3), copy)])
        let read = single.give(.leading(true)).requests
        let found = Record(version: Version("1.1.1") ?? .zero, value: single.table.coding.encode(named, true))
        _ = single.give(.outcome(read[0].id, .found(found)))
        let write = single.wait(2000).requests
        guard case .put(let put) = write.first?.command, let next = single.table.coding.decode(put.value) else {
            return XCTFail("its own store was not recorded")
        }
        XCTAssertEqual(put.condition, .ifVersion(found.version))
        XCTAssertEqual(next.members.map(\.store), [UUID128(high: 1, low: 1), UUID128(high: 1, low: 2), nil])
    }

    func testTheFirstChangeIsMadeOnlyWhereTheRegisterIsEmpty() {
        var single = SingleMachine()
        let read = single.give(.leading(true)).requests
        _ = single.give(.outcome(read[0].id, .absent))
        guard case .put(let put) = single.wait(2000).requests.first?.command else { return XCTFail("nothing put") }
        XCTAssertEqual(put.condition, .ifAbsent)
    }

    func testAnEmptyRegisterIsNotFilledWithALaterTopology() {
        var single = SingleMachine()
        _ = single.give(2, .topology(single.later(8)))
        _ = single.give(.persisted(8))
        let read = single.give(.leading(true)).requests
        let effects = single.give(.outcome(read[0].id, .absent))
        XCTAssertEqual(effects.requests.count, 0)
        guard case .registerUnusable(let reason)? = effects.notices.first else { return XCTFail("not said") }
        XCTAssertTrue(reason.contains("epoch 8"), reason)
        let again = single.wait(1000).requests
        XCTAssertEqual(again.map(\.command), [.get], "it is read again, later")
        let garbage = Record(version: Version("1.1.1") ?? .zero, value: [1, 2, 3])
        XCTAssertEqual(single.give(.outcome(again[0].id, .found(garbage))).notices, [], "said once")
    }

    func testTheRegisterIsReadAgainNowAndThen() {
        var single = SingleMachine()
        var named = single.later(2)
        for index in 0..<3 { named.members[index].store = UUID128(high: 1, low: UInt64(index + 1)) }
        _ = single.give(2, .topology(named))
        _ = single.give(.persisted(2))
        let read = single.give(.leading(true)).requests
        let found = Record(version: Version("1.1.1") ?? .zero, value: single.table.coding.encode(named, true))
        _ = single.give(.outcome(read[0].id, .found(found)))
        XCTAssertEqual(single.wait(4900).requests.count, 0, "there is nothing to change")
        let again = single.wait(100).requests
        XCTAssertEqual(again.map(\.command), [.get])
        var late = named
        late.epoch = 3
        let other = Record(version: Version("2.2.1") ?? .zero, value: single.table.coding.encode(late, true))
        XCTAssertEqual(single.give(.outcome(again[0].id, .found(other))).persisted, [3], "what nobody was told of")
    }

    func testReportsGoToTheMetadataQuorum() {
        var single = SingleMachine(members: 7, me: 7)
        let report = NodeReport(epoch: 1, store: UUID128(high: 1, low: 7), partitions: [], moves: [])
        XCTAssertEqual(
            single.give(.report(report)).sent, (1...5).map { Sent(to: $0, message: .report(report)) })
    }

    func testRateAndProgressOfAMove() {
        var single = SingleMachine(members: 4)
        var moving = single.later(2)
        let from = moving.assignments[0].replicas
        let to = (1...4).map { NodeNumber($0) }.filter { $0 != from[0] }
        moving.plan = ChangePlan(
            id: 2, reason: .operatorAsked, targets: [.init(partition: PartitionID(0), replicas: to)], moves: 1,
            minimum: 1, bytes: 8_000_000)
        moving.assignments[0] = moving.assignments[0].changing(to: from, next: to, at: 2)
        _ = single.give(2, .topology(moving))
        XCTAssertTrue(single.give(.persisted(2)).notices.contains { if case .planBegan = $0 { true } else { false } })
        for step in 0...8 as ClosedRange<UInt64> {
            let move = MoveReport(
                partition: PartitionID(0), changed: 2, sent: step * 500_000, total: 8_000_000, isReady: false,
                obstacle: nil)
            _ = single.give(
                2, .report(NodeReport(epoch: 2, store: UUID128(high: 1, low: 2), partitions: [], moves: [move])))
            _ = single.wait(250)
        }
        let status = single.machine.planStatus()
        XCTAssertEqual(status?.bytesDone, 4_000_000)
        XCTAssertEqual(status?.movesDone, 0)
        XCTAssertEqual(status?.underWay.first?.sent, 4_000_000)
        XCTAssertEqual(single.machine.lastMoves.map(\.sent), [4_000_000])
        XCTAssertTrue((1_500_000...2_000_000).contains(status?.rate ?? 0), "\(status?.rate ?? 0)")
        // A word about an earlier configuration says nothing.
        let stale = MoveReport(
            partition: PartitionID(0), changed: 1, sent: 1, total: 1, isReady: true, obstacle: nil)
        _ = single.give(
            3, .report(NodeReport(epoch: 1, store: UUID128(high: 1, low: 3), partitions: [], moves: [stale])))
        XCTAssertEqual(single.machine.lastMoves.map(\.isReady), [false])
    }
}
