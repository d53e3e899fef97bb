import KVModel
import NIOCore
import Synchronization

/// A way to a node by the client protocol, for any thread: one connection that takes requests, on one event loop, which
/// owns everything about it. Requests come in by a mailbox, so that those of one turn of the loop leave in one write.
final class FrameLane: Sendable {
    private let loop: any EventLoop
    private let mailbox = Mailbox()
    private let link: NIOLoopBoundBox<FrameLink>
    private let count = Atomic(0)
    private let fallback = Mutex<(@Sendable ([PendingRequest]) -> Void)?>(nil)

    init(_ address: Address, limits: ConnectionLimits, _ availability: Availability, loop: any EventLoop) {
        self.loop = loop
        link = .makeBoxSendingValue(FrameLink(address, limits: limits, availability, loop: loop), eventLoop: loop)
    }

    /// About how many requests it has.
    var load: Int { count.load(ordering: .relaxed) }

    /// - Parameter body: is called with requests that were not sent because the node does not speak the protocol.
    func setFallback(_ body: @escaping @Sendable ([PendingRequest]) -> Void) { fallback.withLock { $0 = body } }

    func submit(_ pending: PendingRequest) {
        count.wrappingAdd(1, ordering: .relaxed)
        if mailbox.add(pending) { announce() }
    }

    /// A request that was sent is not waited for any more.
    func abandoned() {
        if mailbox.abandon() { announce() }
    }

    private func announce() {
        loop.execute { [self] in
            let (requests, hasAbandoned) = mailbox.take()
            link.value.take(requests, hasAbandoned: hasAbandoned, self)
        }
    }

    /// Called on the loop: so many requests wait or are under way.
    func has(_ load: Int) { count.store(load, ordering: .relaxed) }

    /// Called on the loop: the node does not speak the protocol.
    func fallBack(_ requests: [PendingRequest]) { fallback.withLock { $0 }?(requests) }

    func close(isAbrupt: Bool) {
        loop.execute { [link] in link.value.close(isAbrupt: isAbrupt) }
    }

    func closed() async {
        try? await loop.submit { [link] in link.value.close(isAbrupt: true) }.get()
    }
}
