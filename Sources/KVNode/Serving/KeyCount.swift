import KVAPI
import KVCore
import NIOCore

/// Counts keys: queries the partitions one after another, several at a time. If partitions are split meanwhile, keys
/// may have gone from one that has yet to be queried to one that was not there: the count begins anew.
///
/// Sendable because it is used only on `loop`.
final class KeyCount: @unchecked Sendable {
    /// The number of partitions that are queried at a time.
    private static let width = 64

    /// The time between looks at whether a shard goes by a split.
    private static let pause = TimeAmount.milliseconds(10)

    /// How often a count begins anew at most.
    private static let maximumRepeats = 10

    private let scope: KeyScope
    private var partitions: [PartitionID] = []
    private var repeats = 0
    private let backend: NodeBackend
    private let deadline: Instant
    private let reply: @Sendable (Result<Int, ListFailure>) -> Void
    private var caller: Caller?
    private let loop: any EventLoop
    private var asked = 0
    private var answered = 0
    private var sum = 0
    private var failure: ListFailure?

    init(
        _ scope: KeyScope, backend: NodeBackend, timeout: Nanoseconds, loop: any EventLoop,
        reply: @escaping @Sendable (Result<Int, ListFailure>) -> Void
    ) {
        self.scope = scope
        self.backend = backend
        self.loop = loop
        self.reply = reply
        deadline = Clock.monotonic + timeout
    }

    func start() {
        // A shard that has yet to go by a split cannot have the new partition's keys counted by themselves.
        guard let present = backend.slots.partitions(of: scope) else {
            guard Clock.monotonic < deadline else { return reply(.failure(ListFailure(refusal: .noLeader))) }
            loop.scheduleTask(in: Self.pause) { [self] in start() }
            return
        }
        partitions = present
        guard !partitions.isEmpty else { return reply(.success(0)) }
        // The caller keeps this object alive until all answers have come.
        caller = Caller(on: loop) { [self] in receive($0.outcome) }
        for _ in 0..<min(Self.width, partitions.count) { askNext() }
    }

    private func askNext() {
        guard let caller, asked < partitions.count else { return }
        let partition = partitions[asked]
        asked += 1
        let options = RequestOptions(timeout: deadline - Clock.monotonic)
        backend.execute(Request(.count, key: Key([]), partition: partition, options: options, caller: caller))
    }

    private func receive(_ outcome: Outcome?) {
        answered += 1
        switch outcome {
        case .counted(let count): sum += count
        case .refused(let refusal): failure = failure ?? ListFailure(refusal: refusal)
        default: failure = failure ?? ListFailure(refusal: .noLeader)
        }
        if failure == nil { askNext() }
        guard answered == asked else { return }
        caller = nil
        if failure == nil, repeats < Self.maximumRepeats, partitions != backend.slots.partitions(of: scope) {
            return startAnew()
        }
        reply(failure.map(Result.failure) ?? .success(sum))
    }

    private func startAnew() {
        (asked, answered, sum) = (0, 0, 0)
        repeats += 1
        start()
    }
}
