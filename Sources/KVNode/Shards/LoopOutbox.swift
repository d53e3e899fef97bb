import KVAPI
import KVCore
import NIOCore

/// A client's command on a key of one shard.
struct ShardRequest: Sendable {
    var request: KeyRequest
    var partition: PartitionID
    var receiver: ReplyReceiver
}

/// What a shard has for other event loops: replies for their clients, and what its own clients ask of their shards. It
/// gathers over a turn, so that each loop is called once rather than for every request.
struct LoopOutbox {
    private struct Item: Sendable {
        var receiver: ReplyReceiver
        var token: UInt64
        var reply: Reply
    }

    private struct Loop {
        var id: ObjectIdentifier
        var loop: any EventLoop
        /// The shard on it, once it has been asked something.
        var runner: ShardRunner?
        var replies: [Item] = []
        var requests: [ShardRequest] = []
    }

    /// A node has few loops.
    private var loops: [Loop] = []
    private var isEmpty = true

    mutating func add(_ reply: Reply, _ token: UInt64, for receiver: ReplyReceiver) {
        isEmpty = false
        let index = index(receiver.loopID, receiver.loop)
        loops[index].replies.append(Item(receiver: receiver, token: token, reply: reply))
    }

    mutating func add(_ request: ShardRequest, for runner: ShardRunner) {
        isEmpty = false
        let index = index(runner.loopID, runner.loop)
        loops[index].runner = runner
        loops[index].requests.append(request)
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
            let replies = loops[index].replies
            let requests = loops[index].requests
            guard !replies.isEmpty || !requests.isEmpty else { continue }
            let runner = loops[index].runner
            loops[index].replies = []
            loops[index].requests = []
            loops[index].runner = nil
            loops[index].loop.execute {
                for item in replies { item.receiver.receive(item.token, item.reply) }
                runner?.take(requests)
            }
        }
    }
}
