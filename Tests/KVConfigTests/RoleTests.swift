import KVCore
import XCTest

@testable import KVConfig

/// Who is a first member, who a pending node, and what each is told about itself.
final class RoleTests: XCTestCase {
    private let two = """
        cluster: {name: demo, replicas: 3}
        nodes:
          - {id: n1, client: "10.0.0.1:7400", peer: "10.0.0.1:7500", zone: a, weight: 2}
          - {id: n2, client: "10.0.0.2:7400", peer: "10.0.0.2:7500", advertise_peer: "example.org:7500"}
        """

    private func resolve(
        _ text: String?, _ flags: Configuration.Flags = .init(), _ environment: [String: String] = [:]
    ) throws -> Configuration {
        try Configuration.resolve(
            try text.map { try parse($0) } ?? .standard, named: text == nil ? nil : "f", flags: flags,
            Overrides(environment: environment)
        ).0
    }

    private func refused(
        _ text: String?, _ flags: Configuration.Flags, _ environment: [String: String] = [:], _ message: String,
        line: UInt = #line
    ) {
        XCTAssertThrowsError(try resolve(text, flags, environment), line: line) {
            XCTAssertEqual("\($0)", message, line: line)
        }
    }

    func testListedNodesAreFirstMembers() throws {
        let member = try resolve(two + "\nseeds: [\"10.0.0.9:7500\"]", .init(node: "n2"))
        XCTAssertEqual(member.role, .initial)
        XCTAssertEqual(member.seeds, [], "seeds are for those that are not listed")
        XCTAssertNotNil(member.clusterID)
    }

    func testANodeThatIsNotListedAppliesToThoseThatAre() throws {
        let pendingNode = try resolve(two, .init(node: "n3"))
        XCTAssertEqual(pendingNode.role, .pendingNode(admitsItself: false))
        XCTAssertEqual(pendingNode.seeds.map(\.description), ["10.0.0.1:7500", "example.org:7500"])
        XCTAssertEqual(pendingNode.node.id, "n3")
        XCTAssertEqual("\(pendingNode.node.client) \(pendingNode.node.peer)", "127.0.0.1:7400 127.0.0.1:7500")
        XCTAssertEqual(pendingNode.nodes.map(\.id), ["n1", "n2"])
        XCTAssertNil(pendingNode.clusterID)
        XCTAssertEqual(
            pendingNode.agreement.map { "\($0.path)=\($0.value)" }, ["cluster.name=demo", "cluster.replicas=3"],
            "only of what its file says")
    }

    func testSeedsComeFromFlagsThenVariablesThenTheFile() throws {
        let file = "cluster: {name: demo}\nseeds: [file:1, file:2]"
        let environment = ["KV_SEEDS": "env:1,env:2"]
        XCTAssertEqual(
            try resolve(file, .init(node: "n3", seeds: ["flag:1"]), environment).seeds.map(\.description), ["flag:1"])
        XCTAssertEqual(try resolve(file, .init(node: "n3"), environment).seeds.map(\.description), ["env:1", "env:2"])
        XCTAssertEqual(try resolve(file, .init(node: "n3")).seeds.map(\.description), ["file:1", "file:2"])
        XCTAssertEqual(
            try resolve(two + "\nseeds: [x:1, example.org:7500]", .init(node: "n3")).seeds.map(\.description),
            ["x:1", "example.org:7500", "10.0.0.1:7500"])
        let own = try resolve(nil, .init(node: "n3", seeds: ["127.0.0.1:7500", "b:1", "b:1"]))
        XCTAssertEqual(own.seeds.map(\.description), ["b:1"], "neither itself nor one twice")
        XCTAssertEqual(own.agreement.map(\.path), [], "without a file it takes the cluster as it is")
    }

    func testAdmittingItself() throws {
        XCTAssertEqual(try resolve(two, .init(node: "n3", join: true)).role, .pendingNode(admitsItself: true))
        XCTAssertEqual(try resolve(two, .init(node: "n3"), ["KV_JOIN": "true"]).role, .pendingNode(admitsItself: true))
        XCTAssertEqual(try resolve(two, .init(node: "n3"), ["KV_JOIN": "0"]).role, .pendingNode(admitsItself: false))
        refused(
            two, .init(node: "n3"), ["KV_JOIN": "perhaps"], "KV_JOIN: must be true or false, not \"perhaps\"")
        refused(
            nil, .init(node: "n3", join: true), [:],
            "--join: there is nobody to join: give the peer address of a member with --seed HOST:PORT")
        refused(
            nil, .init(join: true), [:], "--node: is missing: a node that is to join a cluster needs a name of its own")
    }

    func testAListedNodeThatIsToldToJoinComesBackEmpty() throws {
        let back = try resolve(two, .init(node: "n2", join: true))
        XCTAssertEqual(back.role, .pendingNode(admitsItself: true))
        XCTAssertEqual(back.seeds.map(\.description), ["10.0.0.1:7500"])
        XCTAssertEqual(back.node.advertisePeer?.description, "example.org:7500")
        XCTAssertEqual(
            try resolve(two, .init(node: "n2", seeds: ["x:1"])).role, .pendingNode(admitsItself: false))
    }

    func testFlagsDescribeANodeThatIsNotListed() throws {
        let flags = Configuration.Flags(
            node: "n3", client: "0.0.0.0:1", peer: "[::]:2", advertiseClient: "h:1", advertisePeer: "h:2", zone: "z",
            weight: "7")
        let environment = [
            "KV_CLIENT": "e:1", "KV_PEER": "e:2", "KV_ADVERTISE_CLIENT": "e:3", "KV_ADVERTISE_PEER": "e:4",
            "KV_ZONE": "e", "KV_WEIGHT": "9",
        ]
        let byFlags = try resolve(two, flags, environment).node
        XCTAssertEqual("\(byFlags.client) \(byFlags.peer)", "0.0.0.0:1 [::]:2")
        XCTAssertEqual("\(byFlags.reachableClient) \(byFlags.reachablePeer)", "h:1 h:2")
        XCTAssertEqual("\(byFlags.zone) \(byFlags.weight)", "z 7")
        let byEnvironment = try resolve(two, .init(node: "n3"), environment).node
        XCTAssertEqual("\(byEnvironment.client) \(byEnvironment.peer)", "e:1 e:2")
        XCTAssertEqual("\(byEnvironment.reachableClient) \(byEnvironment.reachablePeer)", "e:3 e:4")
        XCTAssertEqual("\(byEnvironment.zone) \(byEnvironment.weight)", "e 9")

        let alone = try resolve(nil, .init(client: "127.0.0.1:1", peer: "127.0.0.1:2", zone: "z"))
        XCTAssertEqual(alone.role, .initial)
        XCTAssertEqual(alone.nodes, [alone.node])
        XCTAssertEqual("\(alone.node.client) \(alone.node.zone)", "127.0.0.1:1 z")
    }

    func testDescriptionsThatAreWrong() {
        let n3 = Configuration.Flags(node: "n3")
        refused(
            two, n3, ["KV_CLIENT": "here"],
            "KV_CLIENT: must be HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400, not \"here\"")
        refused(
            two, n3, ["KV_PEER": "0.0.0.0:7500"],
            "KV_PEER: is 0.0.0.0:7500, where others cannot reach it: set --advertise-peer as well")
        refused(
            two, n3, ["KV_ADVERTISE_CLIENT": "[::]:1"],
            "KV_ADVERTISE_CLIENT: is [::]:1, where others cannot reach it: name one of the node's addresses")
        refused(
            two, n3, ["KV_CLIENT": "10.0.0.1:7400"],
            "KV_CLIENT: is 10.0.0.1:7400, which is n1's in f: give this node another")
        refused(
            two, n3, ["KV_CLIENT": "h:1", "KV_PEER": "h:1"],
            "KV_PEER: the node's client and peer addresses are both h:1: give them different ports")
        refused(two, n3, ["KV_WEIGHT": "0"], "KV_WEIGHT: must be a whole number from 1 to 1000, not \"0\"")
        refused(two, n3, ["KV_ZONE": "a/b"], "KV_ZONE: must be 1-64 characters of A-Z a-z 0-9 . - _, not \"a/b\"")
        refused(
            two, n3, ["KV_SEEDS": "0.0.0.0:1"],
            "KV_SEEDS: 0.0.0.0:1 cannot be reached by that name: name one of the member's addresses")
        refused(
            two, .init(node: "n3", seeds: ["x"]), [:],
            "--seed: must be HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400, not \"x\"")
    }

    func testListedNodesAreWhatTheFileSays() throws {
        XCTAssertNoThrow(
            try resolve(
                two,
                .init(
                    node: "n1", client: "10.0.0.1:7400", advertisePeer: "10.0.0.1:7500", zone: "a", weight: "2")))
        refused(
            two, .init(node: "n1", client: "10.0.0.1:7401"), [:],
            "--client: f lists n1 with client 10.0.0.1:7400, not 10.0.0.1:7401: leave this out, or change the file on"
                + " every node before the first start")
        refused(
            two, .init(node: "n2"), ["KV_ZONE": "b"],
            "KV_ZONE: f lists n2 with zone none, not b: leave this out, or change the file on every node before the"
                + " first start")
    }

    func testTheSecretComesFromTheEnvironmentFirst() throws {
        let file = "cluster: {name: demo}\nsecurity: {secret: of-the-file-0123456789}"
        XCTAssertEqual(try resolve(file).secret, "of-the-file-0123456789")
        XCTAssertEqual(try resolve(file, .init(), ["KV_SECRET": "0123456789abcdef"]).secret, "0123456789abcdef")
        XCTAssertNil(try resolve(nil).secret)
        refused(nil, .init(), ["KV_SECRET": "short"], "KV_SECRET: must be 16 to 1024 bytes of text")
    }
}
