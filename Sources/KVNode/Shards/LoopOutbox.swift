import KVAPI
import KVCore
import NIOCore

/// What a shard has for other event loops: finished requests of their clients, requests of its own clients to their
/// shards, and what it tells these. They are collected for a turn, so that each loop is called once rather than for
/// every request.
struct LoopOutbox {
    private struct Loop {
        var id: ObjectIdentifier
        var loop: any EventLoop
        /// The shard on this loop, when it has been sent a request.
        var runner: ShardRunner?
        var ended: [Request] = []
        var asked: [Request] = []
        var told: [SiblingMessage] = []
    }

    /// An array is fast enough: a node has few loops.
    private var loops: [Loop] = []
    private var isEmpty = true

    /// Queues a finished request for its caller.
    mutating func handBack(_ request: Request, to caller: Caller) {
        isEmpty = false
        loops[index(caller.loopID, caller.loop)].ended.append(request)
    }

    mutating func submit(_ request: Request, to runner: ShardRunner) {
        isEmpty = false
        let index = index(runner.loopID, runner.loop)
        loops[index].runner = runner
        loops[index].asked.append(request)
    }

    mutating func tell(_ message: SiblingMessage, to runner: ShardRunner) {
        isEmpty = false
        let index = index(runner.loopID, runner.loop)
        loops[index].runner = runner
        loops[index].told.append(message)
    }

    private mutating func index(_ id: ObjectIdentifier, _ loop: any EventLoop) -> Int {
        if let index = loops.firstIndex(where: { $0.id == id }) { return index }
        loops.append(Loop(id: id, loop: loop))
        return loops.count - 1
    }

    mutating func send() {
        guard !isEmpty else { return }
        isEmpty = true
        for index in loops.indices {
            let ended = loops[index].ended
            let asked = loops[index].asked
            let told = loops[index].told
            guard !ended.isEmpty || !asked.isEmpty || !told.isEmpty else { continue }
            let runner = loops[index].runner
            loops[index].ended = []
            loops[index].asked = []
            loops[index].told = []
            loops[index].runner = nil
            loops[index].loop.execute {
                for request in ended { request.eventLoopCaller.ended(request) }
                runner?.takeOver(asked)
                runner?.hear(told)
            }
        }
    }
}
