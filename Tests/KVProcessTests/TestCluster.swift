import Foundation
import KVClient
import KVCore
import XCTest

/// Real `kv serve` processes with real files, which a test starts, stops, kills and asks.
final class TestCluster {
    struct Node: Sendable {
        let id: String
        let client: Address
        let peer: Address
    }

    let directory: URL
    /// The first members, and then the nodes that may join.
    let nodes: [Node]
    /// The ids of the nodes that may join.
    let spares: [String]
    let file: URL
    /// The words before the command of a node's process, which run it in another environment.
    var launcher: (Node) -> [String] = { _ in [] }
    /// Makes a client's connection to a node.
    var connector: @Sendable (Node) throws -> RawConnection = { try RawConnection($0.client) }
    private var processes: [String: ChildProcess] = [:]
    private var commands = 0

    /// - Parameters:
    ///   - spares: Nodes that the configuration does not list. `startPendingNode` starts them.
    ///   - hosts: The nodes' addresses; if nil, loopback.
    ///   - settings: More lines of the configuration, as YAML.
    init(
        nodes listed: Int = 3, spares unlisted: Int = 0, partitions: Int = 64, replicas: Int = 3,
        hosts: [String]? = nil, settings: String = ""
    ) throws {
        let count = listed + unlisted
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("kv-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let ports = try Self.freePorts(2 * count)
        nodes = (0..<count).map { index in
            let host = hosts?[index] ?? "127.0.0.1"
            return Node(
                id: "n\(index + 1)", client: Address(host: host, port: ports[2 * index]),
                peer: Address(host: host, port: ports[2 * index + 1]))
        }
        spares = nodes.dropFirst(listed).map(\.id)
        file = directory.appendingPathComponent("cluster.yaml")
        var text = "cluster: {name: test, partitions: \(partitions), replicas: \(replicas)}\nnodes:\n"
        for node in nodes.prefix(listed) {
            text += "  - {id: \(node.id), client: \"\(node.client)\", peer: \"\(node.peer)\"}\n"
        }
        text += "data_dir: \(directory.path)/data\n" + settings
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    deinit {
        for process in processes.values { process.killNow() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// The `kv` that was built with these tests.
    static var executable: String {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("kv").path
    }

    /// Ports on which nobody listens. They are lower than those that the system gives to outgoing connections, so they
    /// stay free while a node is down.
    static func freePorts(_ count: Int) throws -> [Int] {
        var ports: Set<Int> = []
        for _ in 0..<1000 where ports.count < count {
            let port = Int.random(in: 10_000..<30_000)
            if isFree(port) { ports.insert(port) }
        }
        guard ports.count == count else { throw Unexpected("found no free ports") }
        return Array(ports)
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    // MARK: Processes

    func start(_ ids: String...) throws {
        for id in ids.isEmpty ? initial : ids {
            var command = launcher(try node(id)) + [Self.executable, "serve", "--config", file.path, "--node", id]
            if spares.contains(id) { command += try addresses(id) }
            try launch(id, command)
        }
    }

    /// Starts a node that is not a member yet, or one whose data directory says that it is.
    /// - Parameter seed: A member's id. It is needed for a node that the configuration lists and that begins with an
    ///   empty data directory, to tell it where its cluster is.
    func startPendingNode(_ id: String, admitsItself: Bool = false, seed: String? = nil) throws {
        var command = launcher(try node(id)) + [Self.executable, "serve", "--config", file.path, "--node", id]
        if spares.contains(id) { command += try addresses(id) }
        if admitsItself { command.append("--join") }
        if let seed { command += ["--seed", "\(try node(seed).peer)"] }
        try launch(id, command)
    }

    /// Starts a node that gets the address of a member and nothing else: no configuration file, and no name of the
    /// cluster.
    func startWithoutFile(_ id: String, seed: String) throws {
        let data = ["--data-dir", "\(directory.path)/data", "--seed", "\(try node(seed).peer)"]
        try launch(id, [Self.executable, "serve", "--node", id] + data + (try addresses(id)))
    }

    private func addresses(_ id: String) throws -> [String] {
        let node = try node(id)
        return ["--client", "\(node.client)", "--peer", "\(node.peer)"]
    }

    private var initial: [String] { nodes.map(\.id).filter { !spares.contains($0) } }

    private func launch(_ id: String, _ command: [String]) throws {
        let log = directory.appendingPathComponent("\(id).log").path
        processes[id] = try ChildProcess(
            command.map { Array($0.utf8) }, directory: directory.path, output: log, errors: log)
    }

    /// The ids of the nodes whose processes run.
    var running: [String] { nodes.map(\.id).filter(isRunning) }

    /// Waits for a node's process to end by itself, and returns how it ended.
    func end(of id: String) throws -> ChildProcess.End? { try processes.removeValue(forKey: id)?.wait() }

    /// Removes a node's data directory.
    func eraseData(of id: String) throws { try FileManager.default.removeItem(atPath: data(id)) }

    func startAndWait() throws {
        try start()
        try waitUntilReady()
    }

    func signal(_ number: Int32, _ id: String) { processes[id]?.signal(number) }

    /// Sends SIGSTOP, and waits until the process is stopped.
    func stopNow(_ id: String) throws { try processes[id]?.stopNow() }

    /// Sends SIGKILL to all of these nodes at once, and waits until they have ended.
    func killNow(_ ids: String...) {
        let ids = ids.isEmpty ? nodes.map(\.id) : ids
        for id in ids { signal(SIGKILL, id) }
        for id in ids { processes.removeValue(forKey: id)?.killNow() }
    }

    /// Sends SIGTERM, waits for the end of the process, and returns how it ended.
    func stop(_ id: String) throws -> ChildProcess.End? {
        signal(SIGTERM, id)
        return try processes.removeValue(forKey: id)?.wait()
    }

    func isRunning(_ id: String) -> Bool { processes[id].map { $0.poll() == nil } ?? false }

    func pid(of id: String) throws -> pid_t {
        guard let process = processes[id] else { throw Unexpected("\(id) does not run") }
        return process.pid
    }

    /// The memory that a node's process uses, in bytes.
    func memory(_ id: String) throws -> Int {
        let pages = try String(contentsOfFile: "/proc/\(try pid(of: id))/statm", encoding: .utf8).split(separator: " ")
        guard pages.count > 1, let resident = Int(pages[1]) else { throw Unexpected("statm cannot be read") }
        return resident * sysconf(Int32(_SC_PAGESIZE))
    }

    func log(_ id: String) -> String {
        (try? String(contentsOf: directory.appendingPathComponent("\(id).log"), encoding: .utf8)) ?? ""
    }

    /// The path of a node's data directory.
    func data(_ id: String) -> String { "\(directory.path)/data/\(id)" }

    // MARK: Clients

    func node(_ id: String) throws -> Node {
        guard let node = nodes.first(where: { $0.id == id }) else { throw Unexpected("there is no node \(id)") }
        return node
    }

    func connect(_ id: String) throws -> RawConnection { try connector(try node(id)) }

    /// Several connections to each node, node after node.
    func connectToAll() throws -> [RawConnection] {
        try (0..<4).flatMap { _ in try nodes.map { try connector($0) } }
    }

    /// Makes one request over a new connection.
    func http(
        _ id: String, _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil
    ) throws -> RawConnection.Answer {
        try connect(id).request(method, target, headers: headers, body: body)
    }

    func ring(_ id: String) throws -> RingStatus {
        try JSONDecoder().decode(RingStatus.self, from: Data(try http(id, "GET", "/v1/ring").body))
    }

    /// The number of partitions that `id` leads, as `observer` sees it.
    func leads(_ id: String, seenBy observer: String) throws -> Int {
        try ring(observer).nodes.first { $0.id == id }?.leaders ?? 0
    }

    func leader(of key: String, seenBy observer: String) throws -> String? {
        let answer = try http(observer, "GET", "/v1/ring?key=\(key)")
        return try JSONDecoder().decode(KeyPlacement.self, from: Data(answer.body)).leader
    }

    /// Keys of partitions that `id` leads.
    func keys(ledBy id: String, count: Int, prefix: String = "key-") throws -> [String] {
        let found = try atMost(count, keysLedBy: id, prefix: prefix)
        guard found.count == count else { throw Unexpected("\(id) does not lead enough") }
        return found
    }

    /// As `keys`, or fewer where `id` does not lead enough now.
    func atMost(_ count: Int, keysLedBy id: String, prefix: String) throws -> [String] {
        let assignments = try ring(id).assignments
        return (0..<10_000).lazy.map { "\(prefix)\($0)" }.filter { name in
            let slot = Int(Key(name).slot.raw)
            return assignments.first { $0.lastSlot >= slot }?.leader == id
        }.prefix(count).map { $0 }
    }

    // MARK: Waiting

    /// Waits until the nodes say that they can serve.
    func waitUntilReady(_ ids: String...) throws {
        for id in ids.isEmpty ? initial : ids {
            try wait(for: "\(id) to be ready; its log:\n\(log(id))") {
                if !isRunning(id) { throw Unexpected("\(id) has ended; its log:\n\(log(id))") }
                return (try? http(id, "GET", "/health/ready").status) == 200
            }
        }
    }

    /// Waits until all nodes agree that each of them leads its preferred partitions.
    func waitUntilBalanced() throws {
        try wait(for: "all leaderships to be back") {
            try running.allSatisfy { observer in
                try ring(observer).assignments.allSatisfy { $0.leader == $0.replicas.first }
            }
        }
    }

    /// Polls a condition that other processes bring about.
    func wait(
        limit: Double = 30, for what: @autoclosure () -> String, _ condition: () throws -> Bool
    ) throws {
        let end = Time.now + limit
        while try !condition() {
            guard Time.now < end else { throw Unexpected("waited \(limit) s for \(what())") }
            usleep(20_000)
        }
    }

    // MARK: Commands

    struct CommandResult {
        let end: ChildProcess.End
        let output: [UInt8]
        let errors: String

        var status: Int32 { if case .exited(let status) = end { status } else { -1 } }
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// Runs `kv` with these arguments and the addresses of all nodes, or of those named.
    func kv(_ arguments: String..., at ids: [String] = [], input: [UInt8]? = nil) throws -> CommandResult {
        try kv(arguments.map { Array($0.utf8) }, at: ids, input: input)
    }

    func kv(_ arguments: [[UInt8]], at ids: [String] = [], input: [UInt8]? = nil) throws -> CommandResult {
        let chosen = ids.isEmpty ? nodes : nodes.filter { ids.contains($0.id) }
        let endpoints = chosen.map { "\($0.client)" }.joined(separator: ",")
        return try run([Array(Self.executable.utf8)] + arguments, ["KV_ENDPOINT": endpoints], input: input)
    }

    /// Starts a command that runs while the test goes on. `finish` waits for its end.
    func begin(
        _ command: [[UInt8]], _ environment: [String: String] = [:], input: [UInt8]? = nil
    ) throws -> () throws -> CommandResult {
        commands += 1
        let path = directory.appendingPathComponent("command-\(commands)").path
        if let input { try Data(input).write(to: URL(fileURLWithPath: path + ".in")) }
        let process = try ChildProcess(
            command, environment: environment, directory: directory.path,
            input: input == nil ? "/dev/null" : path + ".in", output: path + ".out", errors: path + ".err")
        return {
            let end = try process.wait()
            let output = try Data(contentsOf: URL(fileURLWithPath: path + ".out"))
            let errors = try Data(contentsOf: URL(fileURLWithPath: path + ".err"))
            return CommandResult(end: end, output: Array(output), errors: String(decoding: errors, as: UTF8.self))
        }
    }

    func run(
        _ command: [[UInt8]], _ environment: [String: String] = [:], input: [UInt8]? = nil
    ) throws -> CommandResult {
        try begin(command, environment, input: input)()
    }

    /// Runs `kv serve` with a changed configuration that the node must refuse.
    func serve(_ id: String, changing change: (String) -> String = { $0 }) throws -> CommandResult {
        let text = change(try String(contentsOf: file, encoding: .utf8))
        let path = directory.appendingPathComponent("other.yaml").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try run([Self.executable, "serve", "--config", path, "--node", id].map { Array($0.utf8) })
    }
}

/// A key in percent-encoding, for a URL.
func encoded(_ key: [UInt8]) -> String {
    key.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
