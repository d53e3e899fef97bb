import Dispatch
import Glibc
import KVConfig
import KVCore
import Synchronization

/// Runs a node as a process: until it is told to stop, or must.
public enum NodeMain {
    /// Returns after SIGTERM or SIGINT, when the node has stopped in good order, and after it has left its cluster as was
    /// asked for. A second signal ends the process at once.
    ///
    /// A node that is to join a cluster waits until that admits it, and then serves.
    /// A store that fails ends the process with status 1, and says why.
    /// - Throws: `NodeError` when the node cannot start, or was removed from its cluster while it was away.
    public static func run(_ configuration: Configuration) async throws {
        let turns = AsyncStream.makeStream(of: Turn.self)
        // Set up first: a signal that comes during a long recovery is not lost.
        let signals = StopSignals { turns.continuation.yield(.told) }
        defer { signals.cancel() }
        var next = turns.stream.makeAsyncIterator()
        let base = try NodeBase.open(configuration)
        do {
            var topology = base.directory.topology
            if topology == nil {
                let lobby = try await Lobby.open(base, onStoreFailure: end) { turns.continuation.yield($0) }
                let turn = await next.next()
                await lobby.close()
                switch turn {
                case .admitted(let first): topology = first
                case .removed: throw removed(base)
                case .told, .left, nil: break
                }
            }
            if let topology { try await serve(base, topology, turns.continuation, &next) }
        } catch {
            await base.close()
            throw error
        }
        await base.close()
        base.logger.info("stopped")
    }

    /// What becomes of a node next.
    enum Turn: Sendable {
        /// To stop.
        case told
        /// A member's topology names it, and is on disk.
        case admitted(Topology)
        /// It has left its cluster as was asked for.
        case left
        /// Its cluster has removed it while it was away.
        case removed
    }

    private static func serve(
        _ base: NodeBase, _ topology: Topology, _ turns: AsyncStream<Turn>.Continuation,
        _ next: inout AsyncStream<Turn>.Iterator
    ) async throws {
        let node = try await Node.start(base, topology: topology, onStoreFailure: end) { departure in
            switch departure {
            case .left: turns.yield(.left)
            case .removed: turns.yield(.removed)
            }
        }
        let turn = await next.next()
        await node.stop()
        switch turn {
        case .left:
            base.logger.notice(
                """
                \(base.configuration.node.id) has left the cluster \(topology.settings.name): all that it held is held by \
                others, and \(base.directory.path) may be deleted
                """)
        case .removed: throw removed(base)
        case .told, .admitted, nil: break
        }
    }

    private static func removed(_ base: NodeBase) -> NodeError {
        .removed(
            base.configuration.node.id, from: base.configuration.settings.name, directory: base.directory.path)
    }

    /// The store must not be used any more.
    private static let end: @Sendable (String) -> Void = { reason in
        let bytes = Array("kv: \(reason)\n".utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(1)
    }
}

/// SIGTERM and SIGINT: the first asks to stop, the second does not ask.
private final class StopSignals: Sendable {
    private let isTold = Mutex(false)
    private let onTold: @Sendable () -> Void
    /// Kept alive; not touched after `init`, but to cancel.
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    init(onTold: @escaping @Sendable () -> Void) {
        self.onTold = onTold
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
        for source in sources {
            source.setEventHandler { [weak self] in self?.told() }
            source.resume()
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
    }

    private func told() {
        let again = isTold.withLock { isTold in
            defer { isTold = true }
            return isTold
        }
        if again { _exit(128 + SIGTERM) }
        onTold()
    }
}
