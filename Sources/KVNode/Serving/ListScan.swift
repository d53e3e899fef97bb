import KVAPI
import KVCore
import NIOCore

/// Lists keys in ring order: queries the partitions one after another, several at a time, until the page is full.
///
/// Sendable because it is used only on `loop`.
final class ListScan: @unchecked Sendable {
    /// The most partitions, or values, that are requested at a time.
    private static let width = 32

    private let query: ListRequest
    private let backend: NodeBackend
    private let loop: any EventLoop
    private let reply: @Sendable (Result<ListReply, ListFailure>) -> Void
    private let deadline: Instant
    /// All partitions when this page was begun, ascending.
    private let all: [PartitionID]
    /// Those of them to query.
    private let partitions: [PartitionID]

    private var keys: [Key] = []
    /// The partition that each key was listed by.
    private var owners: [PartitionID] = []
    /// The present window: the index of its first partition, the pages that have come, and the number that have not.
    private var first: Int
    private var width = 1
    private var pages: [(keys: [Key], more: Bool)?] = []
    private var missing = 0
    private var failure: ListFailure?
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
        let start = query.cursor?.partition ?? PartitionID(0)
        // With a whole hash tag, all keys with the prefix are in one slot.
        let family = Slot(sharedByKeysWith: query.prefix).map(backend.foundingSlots.partition(of:))
        all = backend.partitions(of: query.scope)
        partitions = all.filter {
            $0 >= start && (family == nil || backend.foundingSlots.ancestor(of: $0) == family)
        }
        first = 0
    }

    func start() {
        guard first < partitions.count else { return finish(next: splitSince) }
        // The first partition often has enough keys. The fewer there are, the more partitions are queried at a time.
        let count = min(width, partitions.count - first)
        width = min(2 * width, Self.width)
        pages = Array(repeating: nil, count: count)
        missing = count
        let options = RequestOptions(timeout: deadline - Clock.monotonic)
        let caller = Caller(on: loop) { [self] in receive($0.outcome, Int(truncatingIfNeeded: $0.token)) }
        for offset in 0..<count {
            let partition = partitions[first + offset]
            let after = partition == query.cursor?.partition ? query.cursor?.key : nil
            let command = Command.list(
                ListQuery(prefix: query.prefix, after: after, limit: query.limit - keys.count))
            backend.execute(
                Request(
                    command, key: after ?? Key([]), partition: partition, options: options, caller: caller,
                    token: UInt64(offset)))
        }
    }

    private func receive(_ outcome: Outcome?, _ offset: Int) {
        switch outcome {
        case .listed(let keys, let more): pages[offset] = (keys, more)
        case .refused(let refusal): failure = ListFailure(refusal: refusal)
        default: failure = ListFailure(refusal: .noLeader)
        }
        missing -= 1
        guard missing == 0 else { return }
        if let failure { return reply(.failure(failure)) }
        takeWindow()
    }

    private func takeWindow() {
        for (offset, page) in pages.enumerated() {
            guard let page else { continue }
            let room = query.limit - keys.count
            keys.append(contentsOf: page.keys.prefix(room))
            owners.append(
                contentsOf: repeatElement(partitions[first + offset], count: keys.count - owners.count))
            if page.keys.count > room || page.more {
                return finish(next: ListCursor(partition: partitions[first + offset], key: keys.last))
            }
            if keys.count == query.limit {
                let next = first + offset + 1
                return finish(
                    next: next < partitions.count ? ListCursor(partition: partitions[next], key: nil) : splitSince)
            }
        }
        first += pages.count
        start()
    }

    /// Where the listing goes on after its last partition: with the first that a split has made since this page was
    /// begun, if any, because keys may have gone to it that have not been listed.
    private var splitSince: ListCursor? {
        let now = backend.partitions(of: query.scope)
        guard now.count != all.count, let first = Set(now).subtracting(all).min() else { return nil }
        return ListCursor(partition: first, key: nil)
    }

    /// Ends the search for keys; `next` is where the next page begins.
    private func finish(next: ListCursor?) {
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
        if read < keys.count {
            let last = keys[read - 1]
            next = ListCursor(partition: owners[read - 1], key: last)
        }
        reply(.success(ListReply(entries: entries, next: next)))
    }
}

extension Slot {
    /// The slot of all keys that begin with `prefix`, if it contains a whole hash tag; nil if their slots differ.
    fileprivate init?(sharedByKeysWith prefix: [UInt8]) {
        guard let open = prefix.firstIndex(of: UInt8(ascii: "{")),
            let close = prefix[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return nil }
        self = Key(prefix).slot
    }
}
