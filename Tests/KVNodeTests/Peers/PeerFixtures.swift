import KVCore
import KVWire
import Logging
import NIOCore
import NIOPosix
import XCTest

@testable import KVNode

/// A log handler that keeps its lines.
struct CapturedLog: LogHandler {
    let lines: Mailbox<String>
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.put("\(event.level): \(event.message)") }

    static func logger() -> (Logger, Mailbox<String>) {
        let lines = Mailbox<String>()
        return (Logger(label: "test") { _ in CapturedLog(lines: lines) }, lines)
    }
}

enum LinkEvent: Hashable, Sendable {
    case up(boot: UInt64, epoch: Epoch = 1)
    case down(String)
}

/// A `PeerLink` on its event loop, for a test that runs on another thread.
final class TestLink: Sendable {
    let events = Mailbox<LinkEvent>()
    let log: Mailbox<String>
    private let link: NIOLoopBoundBox<PeerLink>
    private let loop: any EventLoop

    init(
        to peer: Member, policy: PeerPolicy, shard: ShardPosition = ShardPosition(index: 0, count: 1),
        options: PeerLinkOptions = .forTests(), on loop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) async throws {
        let (logger, log) = CapturedLog.logger()
        let events = events
        self.log = log
        self.loop = loop
        link = try await loop.submit {
            NIOLoopBoundBox(
                PeerLink(
                    to: PeerTarget(peer), policy: PolicyBox(policy), shard: shard, on: loop, options: options,
                    reasons: ReasonLog(logger: logger), logger: logger,
                    onUp: { events.put(.up(boot: $0.boot, epoch: $0.epoch)) }, onDown: { events.put(.down($0)) }),
                eventLoop: loop)
        }.get()
        try await on { $0.start() }
    }

    @discardableResult
    func on<R: Sendable>(_ body: @escaping @Sendable (PeerLink) throws -> R) async throws -> R {
        try await loop.submit { [link] in try body(link.value) }.get()
    }

    func stop() async throws { try await on { $0.stop() } }
}

/// A `PeerServer`, with the messages that it receives and the lines that it logs.
final class TestServer: Sendable {
    struct Delivery: Hashable, Sendable {
        var from: NodeNumber
        var messages: [PeerMessage]
    }

    let deliveries = Mailbox<Delivery>()
    let peers = Mailbox<NodeNumber>()
    /// The peers from which part of a long message has arrived.
    let readings = Mailbox<NodeNumber>()
    let log: Mailbox<String>
    let server: PeerServer

    init(policy: PeerPolicy, port: Int = 0, options: PeerLinkOptions = .forTests()) async throws {
        let (logger, log) = CapturedLog.logger()
        let (deliveries, peers, readings) = (deliveries, peers, readings)
        self.log = log
        server = try await PeerServer.start(
            on: Address(host: "127.0.0.1", port: port), group: MultiThreadedEventLoopGroup.singleton,
            policy: PolicyBox(policy),
            options: options, reasons: ReasonLog(logger: logger), logger: logger, connected: { peers.put($0.node) },
            reading: { readings.put($0) }
        ) { from, messages in
            deliveries.put(Delivery(from: from, messages: messages))
        }
    }

    /// Waits for at least `count` messages.
    func messages(_ count: Int) async throws -> [PeerMessage] {
        var messages: [PeerMessage] = []
        while messages.count < count { messages += try await deliveries.next().messages }
        return messages
    }

    func port() throws -> Int { try XCTUnwrap(server.port) }
    func stop() async { await server.stop() }
}

/// A connection that sends whatever bytes a test wants.
final class RawConnection: Sendable {
    /// The bytes that have come; nil at the end.
    let received = Mailbox<ByteBuffer?>()
    let channel: any Channel

    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let received: Mailbox<ByteBuffer?>

        init(_ received: Mailbox<ByteBuffer?>) { self.received = received }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { received.put(unwrapInboundIn(data)) }
        func channelInactive(context: ChannelHandlerContext) { received.put(nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    init(port: Int) async throws {
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { [received] in $0.pipeline.addHandler(Handler(received)) }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func send(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    /// Waits for the frame that answers a handshake. Nil if the other side closes.
    func answer() async throws -> Handshake? {
        var reader = FrameReader(maximumPayload: FrameLimits.handshake)
        while let bytes = try await received.next() {
            reader.append(bytes)
            if let payload = try reader.next() { return try Handshake.decode(payload) }
        }
        return nil
    }

    /// Waits for the other side to close.
    func end() async throws {
        while try await received.next() != nil {}
    }
}

extension PeerLinkOptions {
    /// The default options, with shorter pauses between attempts to connect.
    static func forTests() -> Self {
        var options = Self()
        options.minimumBackoff = .milliseconds(2)
        options.maximumBackoff = .milliseconds(20)
        return options
    }
}

/// The policy of one of the nodes n1, n2 and n3 of the cluster "demo" at epoch 1. The store of node N is N, and its
/// boot counter is 10 N. The topology names no stores.
func policy(_ number: UInt16, change: (inout PeerPolicy) -> Void = { _ in }) -> PeerPolicy {
    var policy = PeerPolicy(
        introduction: Introduction(
            clusterID: UUID128(high: 0, low: 1), clusterName: "demo", node: NodeNumber(number), nodeID: "n\(number)",
            store: UUID128(high: 0, low: UInt64(number)), boot: UInt64(number) * 10, epoch: 1,
            agreement: [
                AgreementLine(path: "cluster.partitions", value: "1024"),
                AgreementLine(path: "cluster.replicas", value: "3"),
                AgreementLine(path: "nodes", value: "n1, n2, n3"),
                AgreementLine(path: "nodes[n1].peer", value: "a:1"),
            ]),
        topology: topology(),
        storeObjection: { member, store in
            store.low == UInt64(member.number.raw)
                ? nil : "\(member.id) has the store \(store), another than before"
        })
    change(&policy)
    return policy
}

/// The policy of a node that waits to be admitted to the cluster "demo" as `id`.
func pendingNodePolicy(_ id: String, store: UInt64, change: (inout PeerPolicy) -> Void = { _ in }) -> PeerPolicy {
    policy(0) { policy in
        policy.introduction.clusterID = .unknown
        policy.introduction.nodeID = id
        policy.introduction.store = UUID128(high: 0, low: store)
        policy.introduction.boot = 1
        policy.introduction.epoch = 0
        policy.introduction.agreement = []
        policy.topology = nil
        change(&policy)
    }
}

func topology(_ numbers: [UInt16] = [1, 2, 3], epoch: Epoch = 1, change: (inout Topology) -> Void = { _ in })
    -> Topology
{
    let members = numbers.map { member($0) }
    var topology = Topology(
        clusterID: UUID128(high: 0, low: 1), epoch: epoch,
        settings: ClusterSettings(name: "demo", partitions: 1, replicas: 3), members: members,
        assignments: [Assignment(replicas: members.map(\.number), changed: 1)],
        metadataQuorum: Assignment(replicas: [members[0].number], changed: 1))
    change(&topology)
    return topology
}

func member(_ number: UInt16, host: String = "127.0.0.1", port: Int = 1) -> Member {
    Member(
        number: NodeNumber(number), id: "n\(number)", client: Address(host: host, port: 1),
        peer: Address(host: host, port: port), zone: "", weight: 1)
}

/// A frame with these messages.
func frame(_ messages: PeerMessage...) throws -> ByteBuffer {
    var writer = FrameWriter()
    for message in messages { writer.append(message) }
    return try XCTUnwrap(writer.finish())
}

func hello(_ number: UInt16, shard: Int = 0) throws -> ByteBuffer {
    try Handshake.hello(policy(number).introduction, shard: ShardPosition(index: shard, count: 4)).frame()
}
