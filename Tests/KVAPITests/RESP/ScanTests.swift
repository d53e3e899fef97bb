import KVCore
import XCTest

@testable import KVAPI

/// How SCAN goes on at a node that did not give the cursor, which may know of other splits.
final class ScanTests: XCTestCase {
    /// In the order of their slots: 2874, 6939 and 11128.
    private let (before, key, behind) = (Key("b1"), Key("b0"), Key("b3"))

    private func page(_ keys: [Key], next: ListCursor? = nil) -> Result<ListReply, ListFailure> {
        .success(ListReply(entries: keys.map { ($0, nil) }, next: next))
    }

    /// The cursor that a node gives after `key`.
    private func cursor() throws -> String {
        let client = try RESPTestClient()
        client.backend.page = page([before, key], next: ListCursor(after: key))
        let cursor = String(client.exchange("scan 0").split(separator: "\r\n")[2])
        XCTAssertEqual(try XCTUnwrap(UInt64(cursor)) >> 39, UInt64(key.slot.raw), "it names a slot, and no partition")
        // It remembers the key.
        _ = client.exchange("scan \(cursor)")
        XCTAssertEqual(client.backend.listed.map(\.cursor), [ListCursor(slot: Slot(0)), ListCursor(after: key)])
        return cursor
    }

    private func places(asked cursor: String, _ pages: [Result<ListReply, ListFailure>]) throws -> [ListCursor?] {
        let client = try RESPTestClient()
        client.backend.pages = pages
        XCTAssertTrue(client.exchange("scan \(cursor) count 7").hasPrefix("*2\r\n$1\r\n0\r\n"))
        XCTAssertEqual(client.backend.listed.last?.limit, 7)
        return client.backend.listed.map(\.cursor)
    }

    func testAnotherNodeFindsTheKeyOfACursor() throws {
        XCTAssertLessThan(before.slot, key.slot)
        XCTAssertLessThan(key.slot, behind.slot)
        let cursor = try cursor()
        let start = ListCursor(slot: key.slot)
        XCTAssertEqual(
            try places(asked: cursor, [page([before, key, behind]), page([behind])]),
            [start, ListCursor(after: key)])
        // On a later page.
        XCTAssertEqual(
            try places(asked: cursor, [page([before], next: ListCursor(after: before)), page([key]), page([behind])]),
            [start, ListCursor(after: before), ListCursor(after: key)])
    }

    func testTheSlotOfADeletedKeyIsGivenAgain() throws {
        let cursor = try cursor()
        let start = ListCursor(slot: key.slot)
        XCTAssertEqual(
            try places(asked: cursor, [page([before, behind]), page([behind])]), [start, ListCursor(after: before)])
        XCTAssertEqual(
            try places(asked: cursor, [page([before], next: ListCursor(slot: behind.slot)), page([behind])]),
            [start, ListCursor(after: before)])
        // Nothing comes before it in its partition.
        XCTAssertEqual(try places(asked: cursor, [page([behind]), page([behind])]), [start, start])
    }
}
