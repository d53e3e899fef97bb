import Foundation
import KVCore
import XCTest

@testable import KVAPI

/// The lines of INFO that Redis does not have.
final class InfoTests: XCTestCase {
    /// Name and value of each line of the reply, by section.
    private func lines(_ command: String) throws -> [String: [String: String]] {
        let backend = FakeBackend()
        backend.disk = DiskHealth(damaged: 12, repaired: 5)
        let reply = try RESPTestClient(backend).exchange(command)
        let bytes = Array(reply.utf8)
        let body = bytes.drop { $0 != 10 }.dropFirst()
        XCTAssertEqual(bytes.starts(with: "$\(body.count - 2)\r\n".utf8), true, reply)
        var (found, section) = ([String: [String: String]](), "")
        for line in String(decoding: body, as: UTF8.self).split(separator: "\r\n") {
            if line.hasPrefix("# ") {
                section = String(line.dropFirst(2))
            } else {
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                XCTAssertEqual(parts.count, 2, "\(line)")
                XCTAssertNil(found[section]?[String(parts[0])], "a name stands in a section once")
                found[section, default: [:]][String(parts[0])] = String(parts[parts.count - 1])
            }
        }
        return found
    }

    /// The rows of docs/redis.md.
    private static var documented: [String: String] {
        get throws {
            let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            let text = try String(contentsOf: root.appendingPathComponent("docs/redis.md"), encoding: .utf8)
            var rows: [String: String] = [:]
            for line in text.split(separator: "\n") where line.hasPrefix("| `kv_") {
                let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                rows[cells[0].filter { $0 != "`" }] = cells[1]
            }
            return rows
        }
    }

    func testTheNamesThatRedisDoesNotHaveAreTheDocumentedOnes() throws {
        var found: [String: String] = [:]
        for (section, lines) in try lines("INFO") {
            for name in lines.keys where name.hasPrefix("kv_") { found[name] = section }
        }
        XCTAssertEqual(found, try Self.documented)
        XCTAssertEqual(found.count, 5)
    }

    func testTheirValuesAreNumbersAndWords() throws {
        let info = try lines("INFO")
        XCTAssertEqual(info["Server"]?["kv_version"], "1.2.3")
        XCTAssertEqual(info["Server"]?["kv_node"], FakeBackend().nodeID)
        let persistence = try XCTUnwrap(info["Persistence"])
        XCTAssertEqual(persistence["kv_stored_bytes"], "77")
        XCTAssertEqual(persistence["kv_damaged_records"], "12")
        XCTAssertEqual(persistence["kv_repaired_records"], "5")
    }

    func testASectionThatIsAskedForComesAlone() throws {
        XCTAssertEqual(Set(try lines("INFO persistence").keys), ["Persistence"])
        XCTAssertEqual(Set(try lines("INFO server Persistence").keys), ["Server", "Persistence"])
        XCTAssertEqual(try lines("INFO nothing"), [:])
    }
}
