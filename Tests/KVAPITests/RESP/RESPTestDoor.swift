import KVCore
import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// A connection of the Redis protocol in memory to a fake node.
struct RESPTestDoor {
    let channel: EmbeddedChannel
    let backend: FakeBackend
    let door: RESPDoor

    static func facts(
        redirects: Bool = false, namesReplicas: Bool = false, keyspace: NodeFacts.Keyspace = .auto
    ) -> NodeFacts {
        NodeFacts(
            version: "1.2.3", client: Address(host: "127.0.0.1", port: 7400), redirects: redirects,
            namesReplicas: namesReplicas, keyspace: keyspace, dataDirectory: "/data/n1", appendfsync: "always",
            maximumConnections: 100, threads: 2, processID: 99)
    }

    init(
        _ backend: FakeBackend = FakeBackend(), options: RESPOptions = RESPOptions(), redirects: Bool = false,
        namesReplicas: Bool = false, keyspace: NodeFacts.Keyspace = .auto, replies: Int = 256 << 20
    ) throws {
        let door = RESPDoor(
            backend: backend, facts: Self.facts(redirects: redirects, namesReplicas: namesReplicas, keyspace: keyspace),
            options: options,
            budgets: ReplyBudgets(bytes: replies, loops: 1), wallClock: { FakeBackend.wall })
        try self.init(door, backend)
    }

    /// Another connection of the same node.
    /// - Parameter loop: the other's, where both are to be of one event loop.
    init(_ door: RESPDoor, _ backend: FakeBackend, on loop: EmbeddedEventLoop = EmbeddedEventLoop()) throws {
        channel = EmbeddedChannel(loop: loop)
        self.backend = backend
        self.door = door
        try door.configure(channel)
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

    /// Of the connection's event loop.
    var budget: ReplyBudget { door.budgets.budget(of: channel.eventLoop) }

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
