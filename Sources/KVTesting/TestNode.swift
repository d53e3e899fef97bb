import Foundation
import KVClient
import KVConfig
import KVNode
import Logging
import NIOCore
import NIOPosix

/// A whole node in the process of a test: a cluster of one, on free ports of the loopback address, with its data in a
/// temporary directory. So a program's tests need no server that somebody has started.
///
///     func testMyProgram() async throws {
///         try await TestNode.run { client in
///             try await client.put("key", "value")
///             ...
///         }
///     }
///
/// It is the same code as `kv serve`, but it does not sync what it writes: what is stored is to be gone after the test.
/// Any number of nodes may run at a time; they know nothing of each other. On Linux only, as `kv` itself.
public final class TestNode: Sendable {
    /// Where clients reach it: by the client library, HTTP and Redis's protocol.
    public let address: Address
    private let node: EmbeddedNode
    private let directory: URL

    /// How often other ports are tried where another process was faster to take them.
    private static let attempts = 10
    /// How long the node may take until it serves.
    private static let patience = Duration.seconds(30)

    private init(_ address: Address, _ node: EmbeddedNode, _ directory: URL) {
        self.address = address
        self.node = node
        self.directory = directory
    }

    /// Starts a node, and waits until it serves.
    /// - Parameter logger: gets what the node logs; by default nobody does.
    /// - Throws: if it cannot be started, with the reason.
    public static func start(
        logger: Logger = Logger(label: "kv.testing") { _ in SwiftLogNoOpLogHandler() }
    ) async throws -> TestNode {
        var attempt = 1
        while true {
            do {
                return try await start(ports: try await freePorts(2), logger)
            } catch  where attempt < attempts && "\(error)".contains("cannot listen") {
                attempt += 1
            }
        }
    }

    private static func start(ports: [Int], _ logger: Logger) async throws -> TestNode {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("kv-test-\(UUID())")
        do {
            let configuration = try Configuration.load(
                flags: Configuration.Flags(
                    dataDirectory: directory.path, client: "127.0.0.1:\(ports[0])", peer: "127.0.0.1:\(ports[1])"),
                environment: ["KV_STORAGE_SYNC": "never", "KV_STORAGE_SHARDS": "1"])
            let node = try await EmbeddedNode.start(configuration, logger: logger) { reason in
                logger.critical("the node of the test has failed: \(reason)")
            }
            let started = TestNode(Address(host: "127.0.0.1", port: ports[0]), node, directory)
            try await started.ready()
            return started
        } catch {
            try? FileManager.default.removeItem(at: directory)
            throw error
        }
    }

    private func ready() async throws {
        let end = ContinuousClock.now + Self.patience
        while let obstacle = node.obstacle {
            guard ContinuousClock.now < end else {
                await node.stop()
                throw NotReady(description: "the node of the test does not serve after \(Self.patience): \(obstacle)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Ports that nobody listens on now.
    private static func freePorts(_ count: Int) async throws -> [Int] {
        var sockets: [any Channel] = []
        for _ in 0..<count {
            sockets.append(
                try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .bind(host: "127.0.0.1", port: 0).get())
        }
        let ports = sockets.compactMap { $0.localAddress?.port }
        for socket in sockets { try await socket.close() }
        return ports
    }

    /// Makes a client of this node. The caller closes it.
    public func client(options: KVClientOptions = KVClientOptions()) -> KVClient {
        KVClient(endpoints: [address], options: options)
    }

    /// Stops the node and deletes its data.
    public func stop() async {
        await node.stop()
        try? FileManager.default.removeItem(at: directory)
    }

    /// Runs `body` with a client of a node that begins empty, and stops both in the end.
    public static func run<Result>(
        _ body: (KVClient) async throws -> Result
    ) async throws -> Result {
        let node = try await start()
        let client = node.client()
        do {
            let result = try await body(client)
            await client.close()
            await node.stop()
            return result
        } catch {
            await client.close()
            await node.stop()
            throw error
        }
    }

    private struct NotReady: Error, CustomStringConvertible {
        let description: String
    }
}
