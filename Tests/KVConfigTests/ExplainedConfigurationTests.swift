import KVCore
import XCTest

@testable import KVConfig

/// Where values come from, and what changes between two readings.
final class ExplainedConfigurationTests: XCTestCase {
    private func explain(
        _ text: String, _ flags: Configuration.Flags = .init(), _ environment: [String: String] = [:]
    ) throws -> ExplainedConfiguration {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("kv-\(UUID().uuidString).yaml").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        var flags = flags
        flags.config = path
        var explained = try Configuration.explain(flags: flags, environment: environment)
        for (index, value) in explained.values.enumerated() {
            if case .position(_, let line, let column) = value.origin {
                explained.values[index].origin = .position(file: "f", line: line, column: column)
            }
        }
        explained.values.removeAll { $0.path == "config" }
        return explained
    }

    private func value(_ path: String, _ explained: ExplainedConfiguration) -> String {
        explained.values.first { $0.path == path }.map { "\($0.value) \($0.source)" } ?? "none"
    }

    func testEveryVariableOfTheFileCountsAndIsNamed() throws {
        for field in Settings.fileFields {
            let (setting, variable) = (field.setting, try XCTUnwrap(field.setting.variable))
            let explained = try Configuration.explain(
                flags: .init(), environment: [variable: try XCTUnwrap(setting.example)])
            let found = try XCTUnwrap(explained.values.first { $0.path == setting.path })
            XCTAssertEqual(found.source, variable)
            XCTAssertEqual(found.value, setting.isSecret ? "(not shown)" : setting.example ?? "")
            let unset = try Configuration.explain(flags: .init(), environment: [variable: ""])
            XCTAssertEqual(unset.values.first { $0.path == setting.path }?.source, "default", "empty is unset")
        }
    }

    func testSources() throws {
        let text = """
            cluster: {name: demo}
            nodes: [{id: n1}, {id: n2, client: "127.0.0.1:1", peer: "127.0.0.1:2"}]
            storage: {sync: interval, cache: 1GiB}
            security: {secret: 0123456789abcdef}
            """
        let explained = try explain(
            text, .init(node: "n2", logLevel: "debug"), ["KV_STORAGE_CACHE": "2GiB", "KV_LOG_LEVEL": "error"])
        XCTAssertEqual(value("node", explained), "n2 --node")
        XCTAssertEqual(value("cluster.name", explained), "demo f:1")
        XCTAssertEqual(value("cluster.replicas", explained), "3 default")
        XCTAssertEqual(value("nodes[n2].client", explained), "127.0.0.1:1 f:2")
        XCTAssertEqual(value("nodes[n1].client", explained), "127.0.0.1:7400 default")
        XCTAssertEqual(value("storage.sync", explained), "interval f:3")
        XCTAssertEqual(value("storage.cache", explained), "2GiB KV_STORAGE_CACHE")
        XCTAssertEqual(value("log.level", explained), "debug --log-level")
        XCTAssertEqual(value("security.secret", explained), "(not shown) f:4")
        XCTAssertEqual(value("seeds", explained), "[] default")
        XCTAssertEqual(explained.configuration.storage.cache, 2 << 30)
    }

    func testAPendingNodeIsShownWithWhatFlagsSayOfIt() throws {
        let explained = try explain(
            "cluster: {name: demo}\nnodes: [{id: n1}]", .init(node: "n4", seeds: ["a:1"], client: "b:2", peer: "b:3"))
        XCTAssertEqual(value("nodes[n4].client", explained), "b:2 --client")
        XCTAssertEqual(value("nodes[n4].zone", explained), "null default")
        XCTAssertEqual(value("nodes[n1].client", explained), "127.0.0.1:7400 default")
        XCTAssertEqual(value("seeds", explained), "[a:1] --seed")
    }

    func testContradictionsAcrossFileAndVariables() throws {
        XCTAssertThrowsError(
            try explain("cluster: {name: demo}\nlimits: {value: 2MiB}", .init(), ["KV_LIMITS_IN_FLIGHT": "1MiB"])
        ) {
            XCTAssertEqual(
                "\($0)", "KV_LIMITS_IN_FLIGHT: limits.in_flight (1MiB) must be at least limits.value (2MiB)")
        }
        XCTAssertThrowsError(
            try Configuration.load(flags: .init(), environment: ["KV_STORAGE_SEGMENT": "1MiB"])
        ) {
            XCTAssertTrue("\($0)".hasPrefix("KV_STORAGE_SEGMENT: storage.segment (1MiB) must hold"), "\($0)")
        }
    }

    func testDifferencesSayWhenTheyCount() throws {
        let name = "cluster: {name: demo}\n"
        let old = try explain(
            name + "nodes: [{id: n1, zone: a}]\nstorage: {cache: 1MiB, shards: 1}\nlog: {level: info}")
        let new = try explain(
            name + "nodes: [{id: n1, zone: b}]\nstorage: {cache: 2MiB, shards: 2}\nlog: {level: debug}")
        XCTAssertEqual(
            old.differences(in: new).map { "\($0.path) \($0.old) \($0.new) \($0.change)" },
            [
                "nodes[n1].zone a b creation", "storage.cache 1MiB 2MiB start", "storage.shards 1 2 directory",
                "log.level info debug reload",
            ])
        XCTAssertEqual(old.differences(in: old), [])
    }

    func testADifferentSecretIsNotShown() throws {
        let name = "cluster: {name: demo}\nsecurity: {secret: "
        let old = try explain(name + "0123456789abcdef}")
        let new = try explain(name + "0123456789abcdeg}")
        XCTAssertEqual(
            old.differences(in: new).map { "\($0.path) \($0.old) \($0.new) \($0.change)" },
            ["security.secret (not shown) (not shown) start"])
    }
}
