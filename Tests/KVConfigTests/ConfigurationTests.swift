import KVCore
import XCTest

@testable import KVConfig

final class ConfigurationTests: XCTestCase {
    private let three = """
        cluster: {name: demo}
        nodes:
          - {id: n2, client: "127.0.0.1:7402", peer: "127.0.0.1:7502", zone: b}
          - {id: n1, client: "127.0.0.1:7401", peer: "127.0.0.1:7501", zone: a, weight: 2}
          - {id: n10, client: "127.0.0.1:7403", peer: "127.0.0.1:7503", advertise_peer: "example.org:1"}
        data_dir: /data
        log: {level: warning, format: json}
        """

    private func resolve(
        _ text: String?, _ flags: Configuration.Flags = .init(), _ environment: [String: String] = [:]
    ) throws -> Configuration {
        try Configuration.resolve(
            try text.map { try parse($0) } ?? .standard, named: text == nil ? nil : "f", flags: flags,
            Overrides(environment: environment)
        ).0
    }

    func testClusterOfOneWithoutFile() throws {
        let configuration = try Configuration.load(flags: .init(), environment: [:])
        XCTAssertEqual(configuration.settings.name, "default")
        XCTAssertEqual(configuration.nodes, [configuration.node])
        XCTAssertEqual(configuration.node.id, "n1")
        XCTAssertEqual("\(configuration.node.client)", "127.0.0.1:7400")
        XCTAssertEqual("\(configuration.node.peer)", "127.0.0.1:7500")
        XCTAssertEqual(configuration.dataDirectory, "./kv-data/n1")
        XCTAssertEqual(configuration.role, .initial)
        XCTAssertEqual(configuration.seeds, [])
        XCTAssertNil(configuration.clusterID, "it is named at random at its first start")
        XCTAssertEqual(try Configuration.load(flags: .init(node: "me"), environment: [:]).dataDirectory, "./kv-data/me")
    }

    func testFlagThenEnvironmentThenFileThenDefault() throws {
        let environment = [
            "KV_NODE": "n2", "KV_DATA_DIR": "/env/", "KV_LOG_LEVEL": "error", "KV_LOG_FORMAT": "text",
        ]
        let flags = Configuration.Flags(node: "n10", dataDirectory: "/flag", logLevel: "trace", logFormat: "json")

        let byFlags = try resolve(three, flags, environment)
        XCTAssertEqual(byFlags.node.id, "n10")
        XCTAssertEqual(byFlags.dataDirectory, "/flag/n10")
        XCTAssertEqual(byFlags.log.level, .trace)
        XCTAssertEqual(byFlags.log.format, .json)

        let byEnvironment = try resolve(three, .init(), environment)
        XCTAssertEqual(byEnvironment.node.id, "n2")
        XCTAssertEqual(byEnvironment.dataDirectory, "/env/n2")
        XCTAssertEqual(byEnvironment.log.level, .error)
        XCTAssertEqual(byEnvironment.log.format, .text)

        let byFile = try resolve(three, .init(node: "n1"), ["KV_NODE": "", "KV_DATA_DIR": "", "KV_LOG_LEVEL": ""])
        XCTAssertEqual(byFile.node.id, "n1")
        XCTAssertEqual(byFile.dataDirectory, "/data/n1")
        XCTAssertEqual(byFile.log.level, .warning)
        XCTAssertEqual(byFile.log.format, .json)

        let byDefault = try resolve("cluster: {name: demo}")
        XCTAssertEqual(byDefault.dataDirectory, "./kv-data/n1")
        XCTAssertEqual(byDefault.log.level, .info)
        XCTAssertEqual(byDefault.log.format, .text)
    }

    func testConfigFlagGoesBeforeItsVariable() {
        let environment = ["KV_CONFIG": "/nowhere/variable.yaml"]
        XCTAssertThrowsError(try Configuration.load(flags: .init(), environment: environment)) {
            XCTAssertTrue("\($0)".hasPrefix("/nowhere/variable.yaml: "), "\($0)")
        }
        XCTAssertThrowsError(
            try Configuration.load(flags: .init(config: "/nowhere/flag.yaml"), environment: environment)
        ) {
            XCTAssertTrue("\($0)".hasPrefix("/nowhere/flag.yaml: "), "\($0)")
        }
    }

    func testOverridesThatAreWrong() {
        refused(.init(), [:], "--node: is missing: f lists n1, n10, n2; say which of them this process is")
        refused(.init(node: "n/3"), [:], "--node: \"n/3\" is not 1-64 characters of a-z 0-9 . - _")
        refused(
            .init(), ["KV_NODE": "N3"], "KV_NODE: \"N3\" is not 1-64 characters of a-z 0-9 . - _", isUsage: false)
        refused(.init(node: "n1", dataDirectory: ""), [:], "--data-dir: is empty: name a directory")
        refused(
            .init(node: "n1", logLevel: "loud"), [:],
            "--log-level: must be one of trace, debug, info, notice, warning, error, critical, not \"loud\"")
        refused(
            .init(node: "n1"), ["KV_LOG_FORMAT": "xml"], "KV_LOG_FORMAT: must be one of text, json, not \"xml\"",
            isUsage: false)
        XCTAssertThrowsError(try resolve(nil, .init(node: "../x"))) {
            XCTAssertEqual("\($0)", "--node: \"../x\" is not 1-64 characters of a-z 0-9 . - _")
        }
    }

    private func refused(
        _ flags: Configuration.Flags, _ environment: [String: String], _ message: String, isUsage: Bool = true,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try resolve(three, flags, environment), line: line) {
            XCTAssertEqual("\($0)", message, line: line)
            XCTAssertEqual(($0 as? ConfigurationError)?.isUsage, isUsage, line: line)
        }
    }

    func testMembersAreNumberedByID() throws {
        let members = try resolve(three, .init(node: "n1")).initialMembers()
        XCTAssertEqual(members.map(\.number.raw), [1, 2, 3])
        XCTAssertEqual(members.map(\.id), ["n1", "n10", "n2"])
        XCTAssertEqual(members.map(\.weight), [2, 1, 1])
        XCTAssertEqual(members.map(\.zone), ["a", "", "b"])
        XCTAssertEqual("\(members[0].client) \(members[0].peer)", "127.0.0.1:7401 127.0.0.1:7501")
        XCTAssertEqual("\(members[1].client) \(members[1].peer)", "127.0.0.1:7403 example.org:1")
    }

    func testAgreementIsAboutTheClusterAndNotAboutTheNode() throws {
        let first = try resolve(three, .init(node: "n1"))
        let second = try resolve(three, .init(node: "n2", dataDirectory: "/x", logLevel: "trace"))
        XCTAssertEqual(first.agreement.map(\.path), second.agreement.map(\.path))
        XCTAssertEqual(first.agreement.map(\.value), second.agreement.map(\.value))
        XCTAssertEqual(first.clusterID, second.clusterID)

        let other = try resolve(
            three.replacingOccurrences(of: "zone: b", with: "zone: c"), .init(node: "n1"))
        let difference = zip(first.agreement, other.agreement).first { $0 != $1 }
        XCTAssertEqual(difference?.0.path, "nodes[n2].zone")
        XCTAssertEqual(difference?.0.value, "b")
        XCTAssertEqual(difference?.1.value, "c")
        XCTAssertNotNil(first.clusterID)
        XCTAssertNotEqual(first.clusterID, other.clusterID)
    }

    /// The id is on disk and on the wire: no change of the program may change it.
    func testClusterIDIsFrozen() throws {
        let configuration = try resolve(three, .init(node: "n1"))
        XCTAssertEqual(
            configuration.agreement.map { "\($0.path)=\($0.value)" },
            [
                "cluster.name=demo", "cluster.partitions=1024", "cluster.replicas=3", "nodes=n1, n10, n2",
                "nodes[n1].client=127.0.0.1:7401", "nodes[n1].peer=127.0.0.1:7501", "nodes[n1].advertise_client=null",
                "nodes[n1].advertise_peer=null", "nodes[n1].zone=a", "nodes[n1].weight=2",
                "nodes[n10].client=127.0.0.1:7403", "nodes[n10].peer=127.0.0.1:7503",
                "nodes[n10].advertise_client=null", "nodes[n10].advertise_peer=example.org:1", "nodes[n10].zone=",
                "nodes[n10].weight=1",
                "nodes[n2].client=127.0.0.1:7402", "nodes[n2].peer=127.0.0.1:7502", "nodes[n2].advertise_client=null",
                "nodes[n2].advertise_peer=null", "nodes[n2].zone=b", "nodes[n2].weight=1",
            ])
        XCTAssertEqual(configuration.clusterID?.description, "aff634963c34afd027f6501c28b52531")
    }
}
