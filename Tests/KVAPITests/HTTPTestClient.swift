import KVCore
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// An HTTP connection in memory to a fake node.
struct HTTPTestClient {
    let channel: EmbeddedChannel
    let backend: FakeBackend

    init(
        _ backend: FakeBackend = FakeBackend(), options: HTTPOptions = HTTPOptions(),
        budgets: ReplyBudgets = ReplyBudgets(bytes: 256 << 20, loops: 1),
        on loop: EmbeddedEventLoop = EmbeddedEventLoop()
    ) throws {
        self.backend = backend
        channel = EmbeddedChannel(loop: loop)
        try HTTPListener.configure(
            channel, backend: backend, options: options, budgets: budgets, wallClock: { FakeBackend.wall })
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 7400)).wait()
    }

    /// Sends bytes as one read; they may fail to parse, which the answer then tells.
    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        guard channel.isActive else { return }
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    /// All that was sent to the client since the last call.
    func received() -> String {
        var text = ""
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        return text
    }

    /// Sends one request and gives what comes back.
    func exchange(_ request: String) -> Answer {
        send(request)
        return Answer(received())
    }

    var isOpen: Bool { channel.isActive }
}

/// An answer, taken apart.
struct Answer {
    let text: String
    let status: String
    let fields: [String: String]
    let body: String

    init(_ text: String) {
        self.text = text
        let halves = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = (halves.first ?? "").split(separator: "\r\n")
        status = lines.first.map { String($0.split(separator: " ", maxSplits: 1).last ?? "") } ?? ""
        fields = Dictionary(
            lines.dropFirst().map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (parts[0].lowercased(), parts.count > 1 ? String(parts[1].dropFirst()) : "")
            }, uniquingKeysWith: { "\($0) AND \($1)" })
        body = halves.count > 1 ? String(halves[1]) : ""
    }

    /// The code of an error.
    var error: String? {
        guard let start = body.range(of: "{\"error\":\"") else { return nil }
        return String(body[start.upperBound...].prefix { $0 != "\"" })
    }
}

/// A node that answers as it is told, at once or when told to, and remembers what it was asked.
final class FakeBackend: Backend, @unchecked Sendable {
    static let wall: UInt64 = 1_700_000_000_000

    /// (Not the request, which holds its caller.)
    struct Asked {
        var command: Command
        var key: Key
        var timeout: Nanoseconds
        var consistency: Consistency
        var allowance: Int
    }

    /// Reads are answered with this rather than a value.
    var needs = 0

    var outcome: (Command, Key) -> Outcome = { _, _ in .absent }
    var isHolding = false
    var held: [() -> Void] = []
    var asked: [Asked] = []
    var listed: [ListRequest] = []
    var page: Result<ListReply, ListFailure> = .success(ListReply(entries: [], next: nil))
    /// Given before `page`, one after the other.
    var pages: [Result<ListReply, ListFailure>] = []
    /// Nil: not a member.
    var cluster: ClusterView? = FakeBackend.cluster(partitions: 4)
    var controls: [(request: ControlRequest, timeout: Nanoseconds)] = []
    var verdict = ControlReply.plan(nil)
    var spans: [Nanoseconds] = []
    var load = LoadReply.load(FakeBackend.busy)
    var health = Health.ready
    var limits = RequestLimits(key: 64, value: 1000)

    var nodeID: String { "n1" }
    var settings: ClusterSettings? { cluster?.topology.settings }

    /// Where clients are sent instead.
    var redirect: Address?
    var keys: Result<Int, ListFailure> = .success(0)
    var counted: [KeyScope] = []

    var disk = DiskHealth()

    var usage: NodeUsage {
        NodeUsage(
            keys: PartitionUsage(keys: 3, tombstones: 1, bytes: 77), disk: disk, memory: 5 << 20,
            userTime: .milliseconds(1250), systemTime: .milliseconds(7))
    }

    var foundingSlots: SlotMap { SlotMap(founding: settings?.partitions ?? 1) }

    func execute(_ request: Request) {
        asked.append(
            Asked(
                command: request.command, key: request.key, timeout: request.timeout, consistency: request.consistency,
                allowance: request.allowance))
        request.redirect = redirect
        let outcome: Outcome
        if needs > request.allowance, request.command == .get {
            outcome = .refused(.overloaded)
            request.needs = needs
        } else {
            outcome = self.outcome(request.command, request.key)
        }
        let answer = {
            request.end(outcome, by: NodeNumber(2))
            request.executorID = "n2"
            request.eventLoopCaller.ended(request)
        }
        if isHolding { held.append(answer) } else { answer() }
    }

    func count(
        _ scope: KeyScope, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<Int, ListFailure>) -> Void
    ) {
        counted.append(scope)
        reply(keys)
    }

    func list(
        _ query: ListRequest, on loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    ) {
        listed.append(query)
        reply(pages.isEmpty ? page : pages.removeFirst())
    }

    func load(
        over span: Nanoseconds, on loop: any EventLoop, reply: @escaping @Sendable (LoadReply) -> Void
    ) {
        spans.append(span)
        reply(load)
    }

    func view(on loop: any EventLoop, reply: @escaping @Sendable (ClusterView?) -> Void) { reply(cluster) }

    func control(
        _ request: ControlRequest, timeout: Nanoseconds, on loop: any EventLoop,
        reply: @escaping @Sendable (ControlReply) -> Void
    ) {
        controls.append((request, timeout))
        reply(verdict)
    }

    /// A node of two shards that has served most in partition 3.
    static var busy: NodeLoad {
        func partition(_ number: UInt16, leader: UInt16?, reads: UInt64, writes: UInt64) -> NodeLoad.Partition {
            NodeLoad.Partition(
                shard: Int(number) % 2, leader: leader.map { "n\($0)" },
                load: PartitionLoad(
                    partition: PartitionID(number), leader: leader.map(NodeNumber.init),
                    served: ServedCounts(reads: reads, writes: writes, copies: 1),
                    usage: PartitionUsage(keys: 2, tombstones: 1, bytes: 300)))
        }
        var shards = [ShardLoad(elapsed: .milliseconds(1000)), ShardLoad(elapsed: .milliseconds(2000))]
        shards[0].partitions = 2
        shards[0].leaders = 1
        shards[0].served = ServedCounts(reads: 5, writes: 0, copies: 12345)
        shards[0].usage = PartitionUsage(keys: 10, tombstones: 1, bytes: 1234)
        shards[1].partitions = 2
        shards[1].served = ServedCounts(reads: 25, writes: 3, copies: 0)
        return NodeLoad(
            shards: shards,
            partitions: [
                partition(0, leader: 1, reads: 5, writes: 0), partition(1, leader: nil, reads: 3, writes: 2),
                partition(3, leader: 2, reads: 22, writes: 1),
            ])
    }

    /// Gives the oldest reply that was held back.
    func release() { held.removeFirst()() }

    static func cluster(partitions: Int) -> ClusterView {
        let members = (1...3).map { number in
            Member(
                number: NodeNumber(UInt16(number)), id: "n\(number)",
                client: Address(host: "127.0.0.1", port: 7400 + number),
                peer: Address(host: "127.0.0.1", port: 7500 + number), zone: "a", weight: 1)
        }
        let numbers = members.map(\.number)
        return ClusterView(
            topology: Topology(
                clusterID: UUID128(high: 1, low: 2), epoch: 7,
                settings: ClusterSettings(name: "demo", partitions: partitions, replicas: 3), members: members,
                assignments: Array(repeating: Assignment(replicas: numbers, changed: 1), count: partitions),
                metadataQuorum: Assignment(replicas: numbers, changed: 1)),
            nodes: numbers.map { number in
                NodeView(
                    number: number, state: number.raw == 3 ? .suspect : .alive,
                    usage: number.raw == 3 ? nil : PartitionUsage(keys: 10, tombstones: 1, bytes: 1234))
            },
            leaders: (0..<partitions).map { $0 == 3 ? nil : numbers[$0 % 2] })
    }
}

func version(_ round: UInt64, _ node: UInt16, _ sequence: UInt64) -> Version {
    Version(ballot: Ballot(round: round, node: NodeNumber(node)), sequence: sequence)
}

/// A request with the Host that HTTP/1.1 demands.
func request(_ line: String, _ fields: [String] = [], body: String? = nil) -> String {
    var lines = ["\(line) HTTP/1.1", "Host: kv"] + fields
    if let body { lines.append("Content-Length: \(body.utf8.count)") }
    return lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
}
