import KVCore
import XCTest

/// Tests that the changes on their way to one replica are bounded, and are not sent twice over one connection.
final class PeerWindowTests: XCTestCase {
    private let node: ManualNode = {
        var options = ShardOptions()
        options.peerWindow = 10_000
        options.slowestLink = 10_000
        return ManualNode(1, options: options)
    }()
    private var ballot = Ballot.zero
    private let value = String(repeating: "x", count: 1000)

    override func setUp() {
        ballot = node.lead()
        node.forgetSent()
    }

    /// The sequences of the changes that were sent to a node.
    private func sent(to peer: UInt16) -> [UInt64] {
        node.takeSent(to: peer, \.accept).map(\.record.version.sequence)
    }

    private func put(_ count: Int) -> [RequestID] {
        let puts = (0..<count).map { node.ask(.put(value), Key("k\($0)")) }
        node.tick()
        return puts
    }

    private func accept(_ sequence: UInt64, by peer: UInt16) {
        node.receive(
            .replica(node.header(ballot), .accepted(version: Version(ballot: ballot, sequence: sequence))), from: peer)
    }

    func testAReplicaThatDoesNotKeepUpIsSentNoMoreThanTheWindow() {
        let puts = put(30)
        node.sync()
        let first = sent(to: 2)
        XCTAssertEqual(first, Array(1...8), "of a thousand bytes and some each: the last one may overshoot")
        XCTAssertEqual(sent(to: 3), first)
        // One replica answers, and is sent the rest bit by bit. The other stays silent.
        var seen = first
        while let sequence = seen.first {
            seen.removeFirst()
            accept(sequence, by: 2)
            seen += sent(to: 2)
        }
        XCTAssertTrue(puts.allSatisfy { node.answers[$0]?.version != nil }, "two are a majority")
        XCTAssertEqual(sent(to: 3), [], "its window is full")
        accept(1, by: 3)
        XCTAssertEqual(sent(to: 3), [9])
    }

    func testOneChangeIsSentHoweverLargeItIs() {
        _ = node.request(.put(String(repeating: "x", count: 50_000)))
        XCTAssertEqual(sent(to: 2), [1])
        _ = node.request(.put("small"), "other")
        XCTAssertEqual(sent(to: 2), [], "not beside it")
        accept(1, by: 2)
        XCTAssertEqual(sent(to: 2), [2])
    }

    func testNothingIsSentAgainBeforeItCanHaveArrived() {
        _ = node.request(.put(String(repeating: "x", count: 30_000)))
        node.sync()
        XCTAssertEqual(sent(to: 2), [1])
        node.pass(2900)
        XCTAssertEqual(sent(to: 2), [], "the link takes three seconds for it")
        node.pass(600)
        XCTAssertEqual(sent(to: 2), [1])
    }

    func testWhatAConnectionHeldIsSentOverTheNext() {
        _ = put(10)
        XCTAssertEqual(sent(to: 2), Array(1...8))
        node.down(2)
        node.up(2)
        XCTAssertEqual(sent(to: 2), Array(1...8), "from the first on")
        accept(1, by: 2)
        XCTAssertEqual(sent(to: 2), [9])
    }

    func testTheWindowIsFreeWhenTheLeadEnds() {
        _ = put(30)
        node.receive(.replica(node.header(Ballot(90, 3)), .prepare), from: 3)
        node.sync()
        XCTAssertFalse(node.leads)
        node.down(3)
        node.pass(2000)
        ballot = node.lead()
        node.forgetSent()
        _ = node.request(.put(value), "new")
        XCTAssertEqual(node.takeSent(to: 2, \.accept).count, 1)
    }
}
