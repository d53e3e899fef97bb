import KVCore
import KVWire
import NIOCore

/// The node's share at the time when the SCAN under way on a connection began. The scan keeps to it until its end even
/// if leaders change meanwhile, so scans of all nodes that begin at the same time give every key once. A SCAN that goes
/// on over another connection (of a client's pool) uses the share of that moment.
///
/// Touched on the connection's event loop only.
final class ScannedShare {
    /// Nil where no SCAN is under way.
    var scope: KeyScope?
}

/// Carries out a `RESPTask`, in steps.
///
/// Sendable because it is touched on `loop` only.
final class RESPTaskRunner: @unchecked Sendable {
    private let server: RESPServer
    private let budget: ReplyBudget
    /// Bytes that the budget has been charged.
    private var charged = 0
    private let loop: any EventLoop
    /// Called once, on `loop`.
    private let onFinish: @Sendable (RESPAnswer) -> Void
    /// Commands on all keys are about this node's share, which is the same from the first page to the last.
    private let isAboutOwnShare: Bool
    private let scanned: ScannedShare
    private var scope = KeyScope.cluster

    // The keys that KEYS has found, and the deletions of FLUSHALL that are under way.
    private var found = RESPElements()
    private var foundBytes = 0
    private var page: [Key] = []
    private var deleting = 0
    private var failure: RESPFailure?
    private var isFinished = false
    private var nextPage: ListCursor?
    private var caller: Caller?
    private var generator = SystemRandomNumberGenerator()

    init(
        server: RESPServer, budget: ReplyBudget, loop: any EventLoop, isAboutOwnShare: Bool, scanned: ScannedShare,
        finish: @escaping @Sendable (RESPAnswer) -> Void
    ) {
        self.server = server
        self.budget = budget
        self.loop = loop
        onFinish = finish
        self.isAboutOwnShare = isAboutOwnShare
        self.scanned = scanned
    }

    /// Ends the task as soon as its requests under way have ended: nobody waits for it any more, or the node stops.
    func cancel(_ reason: RESPFailure) {
        loop.assertInEventLoop()
        failure = failure ?? reason
    }

    private func finish(_ answer: RESPAnswer) {
        guard !isFinished else { return }
        isFinished = true
        budget.charge(-charged)
        charged = 0
        onFinish(answer)
    }

    private var backend: any Backend { server.backend }
    private var timeout: Nanoseconds { server.options.timeout }

    func run(_ task: RESPTask) {
        if case .cluster(let question) = task { return cluster(question) }
        guard isAboutOwnShare else { return begin(task) }
        if case .scan(let request) = task, request.cursor != .start, let share = scanned.scope {
            scope = share
            return begin(task)
        }
        backend.view(on: loop) { [self] view in
            guard let view, let member = view.topology.member(named: backend.nodeID) else {
                return finish(.failure(RESPFailure(.notMember)))
            }
            scope = view.share(of: member.number)
            if case .scan = task { scanned.scope = scope }
            begin(task)
        }
    }

    private func begin(_ task: RESPTask) {
        switch task {
        case .count: count()
        case .scan(let request): scan(request)
        case .keys(let glob): list(from: nil, matching: glob)
        case .randomKey: randomKey()
        case .flush: flush(from: nil)
        case .cluster(let question): cluster(question)
        }
    }

    private func count() {
        backend.count(scope, timeout: timeout, on: loop) { [self] result in
            switch result {
            case .success(let count): finish(.integer(Int64(count)))
            case .failure(let failure): finish(.failure(RESPFailure(failure.refusal)))
            }
        }
    }

    /// One page of keys; a failure ends the task.
    private func page(
        from cursor: ListCursor?, limit: Int, prefix: [UInt8] = [], _ body: @escaping @Sendable (ListReply) -> Void
    ) {
        let request = ListRequest(
            prefix: prefix, cursor: cursor, limit: limit, values: false, scope: scope, timeout: timeout)
        backend.list(request, on: loop) { [self] result in
            switch result {
            case .success(let page):
                // The task was cancelled meanwhile.
                if let reason = self.failure, self.page.isEmpty { return finish(.failure(reason)) }
                body(page)
            case .failure(let failure): finish(.failure(RESPFailure(failure.refusal)))
            }
        }
    }
}

// MARK: - SCAN, KEYS and RANDOMKEY

extension RESPTaskRunner {
    private func scan(_ request: ScanRequest) {
        let cursor = request.cursor
        let start = ListCursor(slot: cursor.slot)
        guard !cursor.isAtBeginning else { return scan(request, from: start) }
        if let key = server.positions.key(at: cursor) { return scan(request, from: ListCursor(after: key)) }
        find(request, from: start, beginning: start)
    }

    /// Looks for the key of a cursor that this node does not remember, from the beginning of its partition.
    /// - Parameter beginning: A place before the keys of the cursor's slot.
    private func find(_ request: ScanRequest, from place: ListCursor, beginning: ListCursor) {
        page(from: place, limit: ListQuery.maximumLimit) { [self] page in
            let cursor = request.cursor
            var beginning = beginning
            for (key, _) in page.entries {
                let slot = key.slot
                if slot < cursor.slot {
                    beginning = ListCursor(after: key)
                } else if slot == cursor.slot, cursor.isAfter(key) {
                    return scan(request, from: ListCursor(after: key))
                }
            }
            if let next = page.next, next.slot <= cursor.slot {
                return find(request, from: next, beginning: beginning)
            }
            // The key has been deleted, so its slot is given again from the beginning.
            scan(request, from: beginning)
        }
    }

    private func scan(_ request: ScanRequest, from place: ListCursor) {
        page(from: place, limit: request.count) { [self] page in
            let next = page.next.map(ScanCursor.init) ?? .start
            if next == .start { scanned.scope = nil }
            if let key = page.next?.key { server.positions.remember(key, at: next) }
            let keys = request.isOfStrings ? page.entries.map(\.key.bytes) : []
            match(keys, request.pattern) { [self] in
                finish(.array([.text("\(next.raw)"), .written(found.takeArray())]))
            }
        }
    }

    /// Adds the keys that match to `found`: a slice at a time, so that other connections are served in between.
    private func match(
        _ keys: [[UInt8]], _ pattern: RESPGlob?, from start: Int = 0, _ then: @escaping @Sendable () -> Void
    ) {
        var budget = server.options.matchingSlice
        var index = start
        while index < keys.count {
            guard budget > 0 else {
                return TaskChain.afterInput(on: loop) { [self, index] in match(keys, pattern, from: index, then) }
            }
            let key = keys[index]
            index += 1
            budget -= pattern?.cost(of: key.count) ?? 1
            guard pattern?.matches(key) ?? true else { continue }
            found.append(key)
            foundBytes += key.count + 32
        }
        then()
    }

    private func list(from place: ListCursor?, matching glob: RESPGlob) {
        page(from: place, limit: ListQuery.maximumLimit, prefix: glob.literalPrefix) { [self] page in
            match(page.entries.map(\.key.bytes), glob) { [self] in
                guard foundBytes <= server.options.maximumListedBytes else {
                    return finish(.failure(.tooManyMatches(limit: server.options.maximumListedBytes)))
                }
                guard budget.has(foundBytes - charged) || foundBytes <= ReplyRoom.guaranteed else {
                    return finish(.failure(.noRoomForReplies))
                }
                budget.charge(foundBytes - charged)
                charged = foundBytes
                guard let next = page.next else { return finish(.written(found.takeArray())) }
                list(from: next, matching: glob)
            }
        }
    }

    /// Answers with a key of the first partition that has any, counted from that of a random slot.
    private func randomKey() {
        guard backend.settings != nil else { return finish(.failure(RESPFailure(.notMember))) }
        let start = Slot(UInt16.random(in: 0..<UInt16(Slot.count), using: &generator))
        page(from: ListCursor(slot: start), limit: Self.choice) { [self] page in
            if let key = choose(from: page) { return finish(.bulk(key.bytes)) }
            self.page(from: nil, limit: Self.choice) { [self] page in
                finish(choose(from: page).map { .bulk($0.bytes) } ?? .null)
            }
        }
    }

    /// How many keys a random one is chosen from.
    private static let choice = 100

    private func choose(from page: ListReply) -> Key? {
        page.entries.randomElement(using: &generator)?.key
    }
}

// MARK: - FLUSHALL

extension RESPTaskRunner {
    /// Deletes the keys of one page after the other. Keys that are put meanwhile may stay.
    private func flush(from place: ListCursor?) {
        page(from: place, limit: ListQuery.maximumLimit) { [self] page in
            self.page = page.entries.map(\.key)
            nextPage = page.next
            caller = Caller(on: loop) { [self] in deleted($0) }
            guard !self.page.isEmpty else { return endPage() }
            for _ in 0..<min(server.options.flushWidth, self.page.count) { deleteNext() }
        }
    }

    private func deleteNext() {
        guard let caller, let key = page.popLast() else { return }
        deleting += 1
        let options = RequestOptions(timeout: timeout)
        backend.execute(
            Request(.delete(.always), key: key, slots: backend.foundingSlots, options: options, caller: caller))
    }

    private func deleted(_ request: Request) {
        deleting -= 1
        switch request.outcome {
        case .refused(let refusal): failure = failure ?? RESPFailure(refusal)
        case .unknown(let uncertainty): failure = failure ?? RESPFailure(uncertainty)
        default: break
        }
        if failure == nil { deleteNext() }
        if deleting == 0 { endPage() }
    }

    private func endPage() {
        caller = nil
        if let failure {
            let words = failure.text.split(separator: " ", maxSplits: 1)
            return finish(
                .failure(RESPFailure("\(words[0]) keys remain, as one could not be deleted: \(words.last ?? "")")))
        }
        guard let nextPage else { return finish(.ok) }
        flush(from: nextPage)
    }
}

// MARK: - CLUSTER

extension RESPTaskRunner {
    private func cluster(_ question: ClusterQuestion) {
        backend.view(on: loop) { [self] view in
            guard let map = view.map({ ClusterMap($0, namesReplicas: server.info.namesReplicas) }) else {
                if case .info = question { return finish(.verbatim(ClusterMap.infoOfNoMember)) }
                return finish(.failure(RESPFailure(.notMember)))
            }
            switch question {
            case .slots: finish(map.slots)
            case .shards: finish(map.shards)
            case .nodes: finish(.verbatim(map.nodes(myself: backend.nodeID)))
            case .info: finish(.verbatim(map.info()))
            case .wait: finish(.integer(Int64(map.acknowledgedReplicas)))
            case .myID:
                let member = map.view.topology.member(named: backend.nodeID)
                finish(member.map { .text(ClusterMap.id(of: $0, in: map.view.topology)) } ?? .failure(.unfitting))
            }
        }
    }
}
