/// A request that another node asks this one to pass on to a leader.
struct RelayedRequest {
    let requester: NodeNumber
    let header: RequestHeader
    let timeout: Nanoseconds
    let command: Command
}

/// The requests that a node has passed on for others, to leaders that those do not reach.
///
/// Links fail one by one: n1 and n2 may not reach each other while n3 reaches both. Then n3 answers for the leader, so
/// that any node answers for any key. A request is passed on once, and never again.
struct Relays {
    /// A request that has been passed on, and for whom.
    struct Entry {
        let requester: NodeNumber
        let id: RequestID
        let leader: NodeNumber
        let deadline: Instant
        /// The size of the key and the value.
        let bytes: Int
    }

    /// The most bytes of requests that are passed on at a time. They share links with this node's own messages.
    static let maximumBytes = 8 << 20

    private var entries: [RequestID: Entry] = [:]
    private var count: UInt64 = 0
    private let boot: UInt64
    private let shard: Int

    init(boot: UInt64, shard: Int) {
        self.boot = boot
        self.shard = shard
    }

    /// The highest bit of a number says that it names a relay. The numbers of this node's own clients' requests lack it
    /// (`RequestID.init(boot:count:shard:)`).
    private static let mark = UInt64(1) << 63

    func isRelay(_ id: RequestID) -> Bool { id.raw & Self.mark != 0 }

    var number: Int { entries.count }
    private(set) var bytes = 0

    /// - Returns: the number under which the leader is asked; its answer comes back to this shard by it.
    mutating func add(_ entry: Entry) -> RequestID {
        count &+= 1
        let id = RequestID(
            Self.mark | (boot & 0x7fff) << 48 | (count & 0xff_ffff_ffff) << 8 | UInt64(truncatingIfNeeded: shard & 0xff)
        )
        assert(entries[id] == nil, "a number names one request")
        entries[id] = entry
        bytes += entry.bytes
        return id
    }

    /// Takes out the request that an answer of `leader` is to. Nil for a late answer: the request has been cut off, or
    /// its requester waits no longer.
    mutating func take(_ id: RequestID, from leader: NodeNumber) -> Entry? {
        guard let entry = entries[id], entry.leader == leader else { return nil }
        remove(id, entry)
        return entry
    }

    private mutating func remove(_ id: RequestID, _ entry: Entry) {
        entries[id] = nil
        bytes -= entry.bytes
        assert(bytes >= 0 && (bytes == 0 || !entries.isEmpty), "the bytes are those of the entries")
    }

    /// Takes out the requests that `leader` was given. It is out of touch.
    mutating func cutOff(from leader: NodeNumber) -> [Entry] {
        let lost = entries.filter { $0.value.leader == leader }.sorted { $0.key.raw < $1.key.raw }
        for (id, entry) in lost { remove(id, entry) }
        return lost.map(\.value)
    }

    /// Forgets the requests whose time is over: nobody waits for them any more.
    mutating func forget(before now: Instant) {
        guard !entries.isEmpty else { return }
        for (id, entry) in entries where entry.deadline <= now { remove(id, entry) }
    }

    mutating func forget(of requester: NodeNumber) {
        for (id, entry) in entries where entry.requester == requester { remove(id, entry) }
    }
}

extension Router {
    /// Passes a request on to the leader that this node reaches, or says who leads, if known.
    mutating func relay(_ request: RelayedRequest, _ replica: Local?) {
        let hint = replica.map { $0.leaderHint } ?? self.hint(for: request.header.partition)
        guard let leader = hint, leader != context.me, leader != request.requester, context.isUp(leader),
            relays.number < context.options.maximumRequests, relays.bytes < Relays.maximumBytes
        else { return context.send(request.requester, .reply(request.header.id, .forwarded(.notLeader(hint: hint)))) }
        // A little less than the requester waits, as with requests that are forwarded.
        let timeout = Nanoseconds(nanoseconds: request.timeout.nanoseconds - request.timeout.nanoseconds / 10)
        var header = request.header
        header.id = relays.add(
            Relays.Entry(
                requester: request.requester, id: request.header.id, leader: leader,
                deadline: context.now.monotonic + request.timeout,
                bytes: request.header.key.bytes.count + request.command.valueBytes))
        context.send(leader, .request(header, .forward(timeout: timeout, command: request.command)))
    }

    /// Passes a leader's answer on to the node that asked.
    mutating func relayed(_ id: RequestID, _ result: ForwardResult, from leader: NodeNumber) {
        // Late where there is none.
        guard let entry = relays.take(id, from: leader) else { return }
        context.send(entry.requester, .reply(entry.id, .forwarded(result)))
    }

    /// `node` is out of touch: nobody can say what became of the requests it was given, and it waits for no answer.
    mutating func endRelays(with node: NodeNumber) {
        for entry in relays.cutOff(from: node) {
            context.send(entry.requester, .reply(entry.id, .forwarded(.outcome(.unknown(.leaderLost)))))
        }
        relays.forget(of: node)
    }
}
