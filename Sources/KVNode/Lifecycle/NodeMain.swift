import Glibc
import KVConfig
import KVCore
import KVStorage

/// Runs a node as a process, until it is told to stop or has to.
package enum NodeMain {
    /// Runs the node. Returns after SIGTERM or SIGINT, when the node has stopped in good order, and after it has left
    /// its cluster on request. A second signal ends the process at once.
    ///
    /// A pending node waits until a cluster admits it, and then serves. A store that fails ends the process with status
    /// 1, or with 65 when it is damaged, and a message says why.
    /// - Parameter reread: reads the configuration again, on SIGHUP.
    /// - Throws: `NodeError` when the node cannot start, or was removed from its cluster while it was away.
    package static func run(
        _ explained: ExplainedConfiguration,
        reread: @escaping @Sendable () throws(ConfigurationError) -> ExplainedConfiguration
    ) async throws {
        let turns = AsyncStream.makeStream(of: Turn.self)
        let output = LogOutput(explained.configuration.log)
        let manager = ServiceManager.own
        // Damage is still there after a restart. The status tells service managers whether a restart can help.
        let end: @Sendable (StoreError) -> Void = { error in
            if case .damaged = error { Self.end("\(error)", status: 65, output) }
            Self.end("\(error)", status: 1, output)
        }
        let reload = Reload(explained, output: output, logger: output.logger, manager: manager, reread: reread)
        // Signals are handled first, so that one that comes during a long recovery is not lost.
        let signals = ProcessSignals(
            onStop: {
                manager?.stopping()
                turns.continuation.yield(.stopRequested)
            }, onReload: reload.run)
        defer { signals.cancel() }
        var next = turns.stream.makeAsyncIterator()
        let base = try NodeBase.open(explained.configuration, logger: output.logger)
        do {
            var topology = base.directory.topology
            if topology == nil {
                let waitingRoom = try await WaitingRoom.open(base, onStoreFailure: end) { turns.continuation.yield($0) }
                manager?.ready(waitingRoom.advice)
                let turn = await next.next()
                await waitingRoom.close()
                switch turn {
                case .admitted(let first): topology = first
                case .removed: throw removed(base)
                case .stopRequested, .left, nil: break
                }
            }
            if let topology {
                let fence: @Sendable (String) -> Void = { Self.end($0, status: 65, output) }
                try await serve(base, topology, turns.continuation, manager, reload, end, fence, &next)
            }
        } catch {
            await base.close()
            output.flush()
            throw error
        }
        await base.close()
        base.logger.info("stopped")
        output.flush()
    }

    /// The next step in a node's life.
    enum Turn: Sendable {
        /// A signal asked the node to stop.
        case stopRequested
        /// A member's topology has this node, and is on disk.
        case admitted(Topology)
        /// The node has left its cluster on request.
        case left
        /// The cluster removed the node while it was away.
        case removed
    }

    private static func serve(
        _ base: NodeBase, _ topology: Topology, _ turns: AsyncStream<Turn>.Continuation, _ manager: ServiceManager?,
        _ reload: Reload, _ end: @escaping @Sendable (StoreError) -> Void,
        _ fence: @escaping @Sendable (String) -> Void,
        _ next: inout AsyncStream<Turn>.Iterator
    ) async throws {
        let node = try await Node.start(base, topology: topology, onStoreFailure: end) { departure in
            switch departure {
            case .left: turns.yield(.left)
            case .removed: turns.yield(.removed)
            case .fenced(let reason): fence(reason)
            }
        }
        reload.follow(node)
        let watch = manager.map { manager in
            Task { await ReadinessWatch(manager: manager, obstacle: { node.obstacle }).run() }
        }
        let turn = await next.next()
        watch?.cancel()
        reload.release()
        await node.stop()
        switch turn {
        case .left:
            base.logger.notice(
                """
                \(base.configuration.node.id) has left the cluster \(topology.settings.name): all that it held is held \
                by others, and \(base.directory.path) may be deleted
                """)
        case .removed: throw removed(base)
        case .stopRequested, .admitted, nil: break
        }
    }

    private static func removed(_ base: NodeBase) -> NodeError {
        .removed(
            base.configuration.node.id,
            from: base.directory.topology?.settings.name ?? base.configuration.settings.name,
            directory: base.directory.path)
    }

    /// Ends the process at once: its store must not be used any more, and nothing may be said about it.
    private static func end(_ reason: String, status: Int32, _ output: LogOutput) -> Never {
        // The lines logged just before the end are the most important ones.
        output.flush()
        let bytes = Array("kv: \(reason)\n".utf8)
        // Wait at most a second for standard error to be writable.
        var wanted = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        if poll(&wanted, 1, 1000) == 1 {
            _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
        _exit(status)
    }
}
