import KVAPI
import KVCore
import NIOCore

/// Lists keys in ring order: queries the partitions one after another (`ListCourse`), several at a time, until the page
/// is full.
///
/// Sendable because it is used only on `loop`.
final class ListScan: @unchecked Sendable {
    /// The most values that are requested at a time.
    private static let width = 32

    private let query: ListRequest
    private let backend: NodeBackend
    private let loop: any EventLoop
    private let reply: @Sendable (Result<ListReply, ListFailure>) -> Void
    private let deadline: Instant

    private var course: ListCourse
    /// What the partitions that have been asked have answered, and the number that have not.
    private var answers: [ListCourse.Answer?] = []
    private var missing = 0
    private var failure: ListFailure?
    /// The keys of the page, once the search for them has ended.
    private var keys: [Key] = []
    // The values, if the query wants them.
    private var next: ListCursor?
    private var records: [Record?] = []
    private var entries: [(key: Key, record: Record?)] = []
    /// Keys that were gone when their values were read.
    private var absent = 0
    private var bytes = 0

    init(
        _ query: ListRequest, backend: NodeBackend, loop: any EventLoop,
        reply: @escaping @Sendable (Result<ListReply, ListFailure>) -> Void
    ) {
        self.query = query
        self.backend = backend
        self.loop = loop
        self.reply = reply
        deadline = Clock.monotonic + query.timeout
        course = ListCourse(query, backend.foundingSlots)
    }

    func start() { goOn(course.goOn(by: backend.slots)) }

    private func goOn(_ progress: ListCourse.Progress) {
        switch progress {
        case .asks(let steps): ask(steps)
        case .ends(let next): finish(next: next)
        }
    }

    private func ask(_ steps: [ListCourse.Step]) {
        answers = Array(repeating: nil, count: steps.count)
        missing = steps.count
        let options = RequestOptions(timeout: deadline - Clock.monotonic)
        let caller = Caller(on: loop) { [self] in receive($0.outcome, Int(truncatingIfNeeded: $0.token)) }
        for (index, step) in steps.enumerated() {
            let command = Command.list(ListQuery(prefix: query.prefix, after: step.after, limit: step.limit))
            backend.execute(
                Request(
                    command, key: step.after ?? Key([]), partition: step.partition, options: options, caller: caller,
                    token: UInt64(index)))
        }
    }

    private func receive(_ outcome: Outcome?, _ index: Int) {
        switch outcome {
        case .listed(let keys, let more): answers[index] = ListCourse.Answer(keys: keys, more: more)
        case .refused(let refusal): failure = ListFailure(refusal: refusal)
        default: failure = ListFailure(refusal: .noLeader)
        }
        missing -= 1
        guard missing == 0 else { return }
        if let failure { return reply(.failure(failure)) }
        goOn(course.take(answers.compactMap { $0 }, by: backend.slots))
    }

    /// Ends the search for keys; `next` is where the next page begins.
    private func finish(next: ListCursor?) {
        keys = course.keys
        guard query.values else {
            return reply(.success(ListReply(entries: keys.map { ($0, nil) }, next: next)))
        }
        self.next = next
        loadValues()
    }

    /// Reads the values of a few keys after another, until the page has its largest size.
    private func loadValues() {
        guard entries.count + absent < keys.count, bytes < ListRequest.pageBytes else { return endPage() }
        let start = entries.count + absent
        // So few that they take no more than a page, however large they are.
        let width = min(max(ListRequest.pageBytes / max(backend.limits.value, 1), 1), Self.width)
        let batch = keys[start..<min(start + width, keys.count)]
        records = Array(repeating: nil, count: batch.count)
        missing = batch.count
        let options = RequestOptions(timeout: deadline - Clock.monotonic)
        let caller = Caller(on: loop) { [self] in loaded($0.outcome, Int(truncatingIfNeeded: $0.token), of: batch) }
        for (index, key) in batch.enumerated() {
            backend.execute(
                Request(
                    .get, key: key, slots: backend.foundingSlots, options: options, caller: caller,
                    token: UInt64(index)))
        }
    }

    private func loaded(_ outcome: Outcome?, _ index: Int, of batch: ArraySlice<Key>) {
        switch outcome {
        case .found(let record): records[index] = record
        case .absent: break
        case .refused(let refusal): failure = ListFailure(refusal: refusal)
        default: failure = ListFailure(refusal: .noLeader)
        }
        missing -= 1
        guard missing == 0 else { return }
        if let failure { return reply(.failure(failure)) }
        for (key, record) in zip(batch, records) {
            if let record {
                entries.append((key, record))
                bytes += key.bytes.count + (record.value?.count ?? 0)
            } else {
                // The key was deleted after it was listed.
                absent += 1
            }
        }
        loadValues()
    }

    private func endPage() {
        let read = entries.count + absent
        if read < keys.count { next = ListCursor(after: keys[read - 1]) }
        reply(.success(ListReply(entries: entries, next: next)))
    }
}
