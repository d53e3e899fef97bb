import KVCore
import XCTest

/// What nodes tell each other of themselves must not grow with the square of their number.
final class NodeNewsTests: XCTestCase {
    private let peer = NodeNumber(2)
    private let usage = PartitionUsage(keys: 1, tombstones: 0, bytes: 10)

    private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    func testAPeerIsToldTheClockNowAndThenAndTheUsageOnlyIfItHasChanged() {
        var news = NodeNews()
        XCTAssertEqual(
            news.next(for: peer, wall: 5, usage: usage, now: at(1000)), [.clock(wall: 5), .usageReport(usage)])
        XCTAssertEqual(news.next(for: peer, wall: 6, usage: usage, now: at(1800)), [])
        XCTAssertEqual(news.next(for: peer, wall: 7, usage: usage, now: at(1900)), [.clock(wall: 7)])
        var more = usage
        more.keys = 2
        XCTAssertEqual(
            news.next(for: peer, wall: 8, usage: more, now: at(2800)), [.clock(wall: 8), .usageReport(more)])
        XCTAssertEqual(news.next(for: NodeNumber(3), wall: nil, usage: more, now: at(2800)), [.usageReport(more)])
        news.forget(peer)
        XCTAssertEqual(news.next(for: peer, wall: 9, usage: more, now: at(2801)).count, 2, "another process")
    }

    func testInASmallClusterAllAreToldOfProgressAtOnce() {
        var progress = ProgressNews()
        let peers = [2, 3, 4].map { NodeNumber($0) }
        XCTAssertEqual(progress.next(0) { peers }, [])
        XCTAssertEqual(progress.next(7) { peers }, peers)
        XCTAssertEqual(
            progress.next(7) {
                XCTFail("nobody need be looked at")
                return peers
            }, [])
        progress.forget(peers[1])
        XCTAssertEqual(progress.next(7) { peers }, [peers[1]], "another process")
        XCTAssertEqual(progress.next(8) { peers }.sorted(), peers)
    }

    func testInALargeClusterAFewAreToldOfProgressAndInTheEndAllAre() {
        var progress = ProgressNews()
        let peers = (2...20).map { NodeNumber($0) }
        var told: [NodeNumber: UInt64] = [:]
        var batch: UInt64 = 0
        // The store is written to all the while: everybody has a turn.
        for _ in 0..<7 {
            batch += 1
            let next = progress.next(batch) { peers }
            XCTAssertEqual(next.count, ProgressNews.peersPerTurn)
            for peer in next { told[peer] = batch }
        }
        XCTAssertEqual(told.count, peers.count)
        var turns = 0
        while case let next = progress.next(batch, among: { peers }), !next.isEmpty {
            turns += 1
            XCTAssertLessThanOrEqual(next.count, ProgressNews.peersPerTurn)
            for peer in next { told[peer] = batch }
        }
        XCTAssertLessThanOrEqual(turns, 7)
        XCTAssertTrue(peers.allSatisfy { told[$0] == batch })
    }
}
