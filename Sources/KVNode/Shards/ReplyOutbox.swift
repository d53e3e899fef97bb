import KVAPI
import NIOCore

/// Replies of one tick for the clients of other event loops: each loop is called once.
struct ReplyOutbox {
    private struct Item: Sendable {
        let receiver: ReplyReceiver
        let token: UInt64
        let reply: Reply
    }

    /// A node has few loops.
    private var loops: [(loop: any EventLoop, items: [Item])] = []
    private var isEmpty = true

    mutating func add(_ reply: Reply, _ token: UInt64, for receiver: ReplyReceiver) {
        isEmpty = false
        let item = Item(receiver: receiver, token: token, reply: reply)
        if let index = loops.firstIndex(where: { $0.loop === receiver.loop }) {
            loops[index].items.append(item)
        } else {
            loops.append((receiver.loop, [item]))
        }
    }

    mutating func send() {
        guard !isEmpty else { return }
        isEmpty = true
        for index in loops.indices where !loops[index].items.isEmpty {
            let items = loops[index].items
            loops[index].items = []
            loops[index].loop.execute {
                for item in items { item.receiver.receive(item.token, item.reply) }
            }
        }
    }
}
