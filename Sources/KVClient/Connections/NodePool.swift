import KVModel
import NIOCore
import NIOPosix
import Synchronization

/// The connections to one node, for any thread. All of them are on one event loop, which owns everything about them.
/// Requests come in by a mailbox, so that those of one turn of the loop leave in one write a connection.
final class NodePool: Sendable {
    private struct Mailbox {
        var requests: [PendingRequest] = []
        /// The loop has been asked to empty the mailbox and has not done so yet.
        var isAnnounced = false
    }

    let address: Address
    private let loop: any EventLoop
    private let mailbox = Mutex(Mailbox())
    private let availability = Availability()
    private let connections: NIOLoopBoundBox<Connections>

    init(_ address: Address, limits: ConnectionLimits, loop: any EventLoop) {
        self.address = address
        self.loop = loop
        connections = .makeBoxSendingValue(
            Connections(address, limits: limits, availability, loop: loop), eventLoop: loop)
    }

    /// No connection could be opened lately, so other nodes are asked first.
    var isDown: Bool { availability.isDown }

    func submit(_ pending: PendingRequest) {
        let isFirst = mailbox.withLock { mailbox in
            mailbox.requests.append(pending)
            defer { mailbox.isAnnounced = true }
            return !mailbox.isAnnounced
        }
        guard isFirst else { return }
        loop.execute { [self] in
            let requests = mailbox.withLock { mailbox in
                mailbox.isAnnounced = false
                defer { mailbox.requests.removeAll(keepingCapacity: mailbox.requests.capacity <= 1024) }
                return mailbox.requests
            }
            connections.value.take(requests)
        }
    }

    /// Takes no further requests from now on. The connections close when their requests have been answered; with
    /// `isAbrupt`, at once.
    func close(isAbrupt: Bool) {
        loop.execute { [connections] in connections.value.close(isAbrupt: isAbrupt) }
    }

    /// Closes the connections at once, and waits until that is done.
    func closed() async {
        try? await loop.submit { [connections] in connections.value.close(isAbrupt: true) }.get()
    }
}

extension NodePool: Equatable {
    static func == (a: NodePool, b: NodePool) -> Bool { a === b }
}

/// Whether the last attempts to connect to a node succeeded. Set on the event loop of its connections, read from any
/// thread.
final class Availability: Sendable {
    private let downUntil = Atomic<UInt64>(0)

    var isDown: Bool {
        let until = downUntil.load(ordering: .relaxed)
        return until != 0 && NIODeadline.now() < .uptimeNanoseconds(until)
    }

    var hasFailed: Bool { downUntil.load(ordering: .relaxed) != 0 }

    func down(for time: TimeAmount) {
        downUntil.store((NIODeadline.now() + time).uptimeNanoseconds, ordering: .relaxed)
    }

    func up() { downUntil.store(0, ordering: .relaxed) }
}
