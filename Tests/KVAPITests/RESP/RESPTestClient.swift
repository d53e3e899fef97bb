import KVCore
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// A connection of the Redis protocol in memory to a fake node.
struct RESPTestClient {
    let channel: EmbeddedChannel
    let backend: FakeBackend
    let listener: RESPListener

    static func info(
        redirects: Bool = false, namesReplicas: Bool = false, keyspace: NodeInfo.Keyspace = .auto
    ) -> NodeInfo {
        NodeInfo(
            version: "1.2.3", client: Address(host: "127.0.0.1", port: 7400), redirects: redirects,
            namesReplicas: namesReplicas, keyspace: keyspace, dataDirectory: "/data/n1", appendfsync: "always",
            maximumConnections: 100, threads: 2, processID: 99)
    }

    init(
        _ backend: FakeBackend = FakeBackend(), options: RESPOptions = RESPOptions(), redirects: Bool = false,
        namesReplicas: Bool = false, keyspace: NodeInfo.Keyspace = .auto, replies: Int = 256 << 20
    ) throws {
        let listener = RESPListener(
            backend: backend, info: Self.info(redirects: redirects, namesReplicas: namesReplicas, keyspace: keyspace),
            options: options,
            budgets: ReplyBudgets(bytes: replies, loops: 1), wallClock: { FakeBackend.wall })
        try self.init(listener, backend)
    }

    /// Another connection of the same node.
    /// - Parameter loop: the other's, where both are to be of one event loop.
    init(_ listener: RESPListener, _ backend: FakeBackend, on loop: EmbeddedEventLoop = EmbeddedEventLoop()) throws {
        channel = EmbeddedChannel(loop: loop)
        self.backend = backend
        self.listener = listener
        try listener.configure(channel)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 7400)).wait()
    }

    /// Sends bytes as one read.
    func send(_ text: String) {
        guard channel.isActive else { return }
        _ = try? channel.writeInbound(ByteBuffer(string: text))
    }

    /// All that was sent to the client since the last call.
    func received() -> String {
        channel.embeddedEventLoop.run()
        var text = ""
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        return text
    }

    /// Sends an inline command and gives what comes back.
    func exchange(_ line: String) -> String {
        send(line + "\r\n")
        return received()
    }

    func wait(_ time: TimeAmount) { channel.embeddedEventLoop.advanceTime(by: time) }

    /// The budget of the event loop of the connection.
    var budget: ReplyBudget { listener.budgets.budget(of: channel.eventLoop) }

    var isOpen: Bool { channel.isActive }
}

extension Record {
    /// A record as the store would hold it.
    static func holding(_ value: String, until expiry: UInt64 = 0) -> Record {
        Record(
            version: Version(ballot: Ballot(round: 1, node: NodeNumber(1)), sequence: 1),
            expiry: Expiry(milliseconds: expiry), value: Array(value.utf8))
    }
}

/// A request as an array of bulk strings.
func array(_ words: String...) -> String {
    "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
}
