import Foundation
import KVClient
import XCTest

@testable import kv

final class RingDrawingTests: XCTestCase {
    private func ring(_ text: String) throws -> RingStatus {
        let nodes = ["n1", "n2", "n3"].map {
            """
            {"id":"\($0)","number":1,"state":"alive","standing":"active","zone":"","weight":1,"client":"h:1","peer":"h:2","replicas":1,"leaders":1}
            """
        }
        return try JSONDecoder().decode(
            RingStatus.self,
            from: Data(
                """
                {"cluster":"demo","epoch":1,"partitions":4,"replicas":1,"waiting":[],"nodes":[\(nodes.joined(separator: ","))],
                "assignments":[\(text)]}
                """.utf8))
    }

    /// The assignment of a partition that has one of `count` equal parts of the slots.
    private func assignment(_ partition: Int, of count: Int, _ leader: String) -> String {
        """
        {"partition":\(partition),"first_slot":\(partition * 16384 / count),\
        "last_slot":\((partition + 1) * 16384 / count - 1),"replicas":[],"leader":\(leader)}
        """
    }

    func testQuartersAreWhereTheyBelong() throws {
        let leaders = ["\"n1\"", "\"n2\"", "\"n3\"", "null"]
        let ring = try ring(leaders.enumerated().map { assignment($0, of: 4, $1) }.joined(separator: ","))
        let lines = RingDrawing(ring, hasColor: false).lines
        XCTAssertEqual(
            lines.joined(separator: "\n"),
            """
                       ·····AAAAAA
                    ···           AAA
                 ···                 AAA
                ··                     AA
               ··                       AA
              ··                         AA
              ··                         AA
              ·                           B
              CC                         BB
              CC                         BB
               CC                       BB
                CC                     BB
                 CCC                 BBB
                    CCC           BBB
                       CCCCCCBBBBB

              who leads which slots: 0 at the top, clockwise

            """)
    }

    /// The first of two partitions has been split.
    func testAPartitionHasTheArcOfItsSlots() throws {
        let parts = [assignment(0, of: 4, "\"n1\""), assignment(1, of: 4, "\"n2\""), assignment(1, of: 2, "\"n3\"")]
        let lines = RingDrawing(try ring(parts.joined(separator: ",")), hasColor: false).lines
        let marks = lines.prefix(15).joined()
        XCTAssertEqual(marks.count { $0 == "A" }, marks.count { $0 == "B" })
        XCTAssertEqual(marks.count { $0 == "C" }, 2 * marks.count { $0 == "A" })
        XCTAssertTrue(lines[0].hasSuffix("CCCCCAAAAAA"), lines[0])
    }

    func testAnyNumberOfPartitions() throws {
        for count in [0, 1, 2, 64, 1024, 16384] {
            let ring = try ring((0..<count).map { assignment($0, of: count, "\"n1\"") }.joined(separator: ","))
            let lines = RingDrawing(ring, hasColor: true).lines
            XCTAssertEqual(lines.joined().contains("A"), count > 0)
            XCTAssertEqual(lines.joined().contains("·"), count == 0)
        }
    }

    func testMarks() {
        XCTAssertEqual(Set((0..<62).map { RingDrawing.mark(of: $0) }).count, 62)
        XCTAssertEqual(RingDrawing.mark(of: 62), "#")
    }

    func testFigures() {
        XCTAssertEqual(RingTable.share(1, of: 3), "33.3%")
        XCTAssertEqual(RingTable.share(2, of: 3), "66.7%")
        XCTAssertEqual(RingTable.share(0, of: 0), "-")
        XCTAssertEqual(RingTable.share(.max, of: .max), "-")
        XCTAssertEqual(RingTable.size(0), "0 B")
        XCTAssertEqual(RingTable.size(1023), "1023 B")
        XCTAssertEqual(RingTable.size(1024), "1.0 KiB")
        XCTAssertEqual(RingTable.size(1536 << 10), "1.5 MiB")
        XCTAssertEqual(RingTable.size(.max), "15.9 EiB")
    }

    func testArgumentsKeepTheirBytes() {
        let texts: [[UInt8]] = [
            [], Array("a".utf8), Array("é€😀".utf8), [0xFF], [0x61, 0x80, 0xC3, 0xA9], [0xF4, 0x8F, 0xBF, 0xBF],
            Array(1...255),
        ]
        for bytes in texts { XCTAssertEqual(RawArgument(argument: RawArgument.encoded(bytes)).bytes, bytes) }
        XCTAssertEqual(RawArgument.encoded(Array("é€😀".utf8)), "é€😀")
    }
}
