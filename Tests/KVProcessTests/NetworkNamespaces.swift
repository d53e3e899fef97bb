import Foundation
import KVCore
import XCTest

/// A network namespace for each node, and one with a bridge between them, so that a test can cut links. Needs root and
/// iproute2.
final class NetworkNamespaces: Sendable {
    /// The addresses of the nodes, in a network that exists in these namespaces only.
    let hosts: [String]
    private let names: [String]
    private let bridge: String

    /// - Throws: `XCTSkip` if this machine does not allow network namespaces.
    init(_ count: Int) throws {
        let name = "kv\(getpid() % 100_000)"
        bridge = "\(name)-bridge"
        names = (1...count).map { "\(name)-\($0)" }
        hosts = (1...count).map { "10.231.77.\($0)" }
        guard geteuid() == 0, FileManager.default.isExecutableFile(atPath: Self.ip) else {
            throw XCTSkip("network namespaces need root and iproute2 (\(Self.ip))")
        }
        guard (try? Self.run("netns", "add", bridge)) != nil else {
            throw XCTSkip("network namespaces cannot be made here: is this a container without CAP_SYS_ADMIN?")
        }
        try Self.run("-n", bridge, "link", "add", "bridge", "type", "bridge")
        try Self.run("-n", bridge, "link", "set", "bridge", "up")
        for (index, name) in names.enumerated() {
            try Self.run("netns", "add", name)
            try Self.run(
                "-n", bridge, "link", "add", "port\(index)", "type", "veth", "peer", "name", "eth", "netns", name)
            try Self.run("-n", bridge, "link", "set", "port\(index)", "master", "bridge", "up")
            try Self.run("-n", name, "address", "add", "\(hosts[index])/24", "dev", "eth")
            try Self.run("-n", name, "link", "set", "eth", "up")
            try Self.run("-n", name, "link", "set", "lo", "up")
        }
    }

    deinit { for name in names + [bridge] { try? Self.run("netns", "delete", name) } }

    /// The beginning of a command that runs in the namespace of a node.
    func launcher(_ node: TestCluster.Node) -> [String] {
        ["/usr/bin/nsenter", "--net=/run/netns/\(name(of: node))", "--"]
    }

    func name(of node: TestCluster.Node) -> String {
        hosts.firstIndex(of: node.client.host).map { names[$0] } ?? bridge
    }

    /// Cuts a node's link. Frames are lost in both directions, and connections do not notice.
    func cut(_ index: Int) throws { try Self.run("-n", bridge, "link", "set", "port\(index)", "down") }
    func heal(_ index: Int) throws { try Self.run("-n", bridge, "link", "set", "port\(index)", "up") }

    /// Drops packets to a node that meet one of these conditions of nftables, until `lift`.
    /// - Throws: `XCTSkip` if this machine has no nftables.
    func drop(_ conditions: String..., at index: Int) throws {
        guard FileManager.default.isExecutableFile(atPath: Self.nft) else {
            throw XCTSkip("firewalls need nftables (\(Self.nft))")
        }
        let rules = conditions.map { "  \($0) drop\n" }.joined()
        let table = "table inet kv {\n chain in {\n  type filter hook input priority 0;\n\(rules) }\n}\n"
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(names[index]).nft").path
        try table.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Self.run("netns", "exec", names[index], Self.nft, "-f", path)
    }

    func lift(at index: Int) throws { try Self.run("netns", "exec", names[index], Self.nft, "flush", "ruleset") }

    private static let nft = "/usr/sbin/nft"
    private static let ip = "/usr/sbin/ip"

    private static func run(_ arguments: String...) throws {
        let process = try ChildProcess(
            ([ip] + arguments).map { Array($0.utf8) }, directory: "/", output: "/dev/null", errors: "/dev/null")
        guard try process.wait() == .exited(0) else {
            throw Unexpected("ip \(arguments.joined(separator: " ")) failed")
        }
    }
}

/// Runs `body` with this thread in another network namespace. Sockets that it opens stay in that namespace.
func inNamespace<R>(_ name: String, _ body: () throws -> R) throws -> R {
    typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
    // The C library has `setns`, but Swift does not import its declaration.
    guard let symbol = dlsym(nil, "setns") else { throw Unexpected("there is no setns") }
    let setNamespace = unsafeBitCast(symbol, to: SetNamespace.self)
    let here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let there = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
    defer { [here, there].forEach { close($0) } }
    guard here >= 0, there >= 0, setNamespace(there, 0) == 0 else { throw Unexpected("cannot enter \(name)") }
    defer { XCTAssertEqual(setNamespace(here, 0), 0, "cannot come back from \(name)") }
    return try body()
}
