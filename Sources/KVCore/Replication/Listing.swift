// Listings and counts at a leader. A page is answered from a window (`KeyWindow`), which a walk over the partition has
// filled.

extension Replica {
    func executeList(_ request: Request, _ query: ListQuery, _ leader: Leader) {
        guard leader.isSettled else { return leader.held.append(request, as: .held) }
        if leader.listings.window(for: query) == nil {
            beginWalk(query, leader)
            advanceWalks(leader)
        }
        guard let index = leader.listings.window(for: query) else { return leader.held.append(request, as: .held) }
        answerPage(request, query, from: index, leader)
    }

    private func beginWalk(_ query: ListQuery, _ leader: Leader) {
        guard leader.listings.mayBegin(query) else { return }
        let limits = context.options
        var page = KeyPage(
            prefix: query.prefix, after: query.after, limit: max(limits.listingWindow, query.limit + 1),
            bytes: limits.listingWindowBytes)
        // The store does not hold the keys proposed in this tick yet.
        leader.log.forEachUnsentKey { page.offer($0) }
        leader.listings.begin(KeyWalk(page: page))
        context.noteListing(partition)
    }

    /// Goes on with the walks under way. The shard calls it from its timer.
    func continueListings() {
        guard let leader, !leader.listings.isEmpty else { return context.noteListingEnded(partition) }
        leader.listings.dropUnused(for: context.options.listingIdle, now: now)
        if advanceWalks(leader) { releaseHeld() }
    }

    /// Goes on with the walks under way, as far as the listing budget allows.
    ///
    /// - Returns: True if a walk has ended.
    @discardableResult
    private func advanceWalks(_ leader: Leader) -> Bool {
        let usage = context.store.usage(partition)
        let isSmall = usage.keys + usage.tombstones <= context.options.listingSlice / 4
        var hasEnded = false
        while context.listingBudget > 0, let leaf = leader.listings.nextLeaf {
            var page = leader.listings.takePage()
            // Expired records are offered as well, because they may need a tombstone before they are left out.
            let offer: (Key, RecordHead) -> Void = { key, head in
                self.context.listingBudget -= 1
                if !head.isTombstone { page.offer(key) }
            }
            if isSmall, leaf == 0 {
                context.store.forEach(partition, offer)
                leader.listings.putBack(page, nextLeaf: HashTree.leafCount, now: now)
            } else {
                context.listingBudget -= 1
                context.store.forEach(partition, leaf: leaf) { key, head, _ in offer(key, head) }
                leader.listings.putBack(page, nextLeaf: leaf + 1, now: now)
            }
            hasEnded = hasEnded || leader.listings.nextLeaf == 0 || leader.listings.nextLeaf == nil
        }
        return hasEnded
    }

    /// Adds a key that is about to be proposed to the listings under way.
    func listProposed(_ key: Key, _ leader: Leader) {
        // The walk finds, or has found, a key that is there. (What the store says is not enough: a deletion in flight
        // may have taken the key out of a window already.)
        if let head = latestHead(key, leader), head.isPresent(at: context.now.wall) { return }
        leader.listings.add(key, limit: context.options.listingWindow)
    }

    private func answerPage(_ request: Request, _ query: ListQuery, from index: Int, _ leader: Leader) {
        let window = leader.listings.windows[index]
        let limit = max(query.limit, 1)
        var keys: [Key] = []
        var gone: [Int] = []
        var expired: [Key] = []
        let first = window.index(after: query.after)
        var place = first
        var isCutShort = false
        // It looks for one key more than the page may have, to know whether there are more.
        while place < window.entries.count, keys.count <= limit {
            let key = window.entries[place].key
            let head = latestHead(key, leader)
            if let head, head.isPresent(at: context.now.wall) {
                keys.append(key)
            } else if let head, lacksTombstone(head, leader) {
                isCutShort = expired.count >= context.expiryBudget
                guard !isCutShort else { break }
                expired.append(key)
            } else {
                gone.append(place)
            }
            place += 1
        }
        context.expiryBudget -= expired.count
        leader.listings.used(index, gone: gone, now: now)
        guard tombstone(expired, leader) else { return leader.held.append(request, as: .held) }
        let more = keys.count > limit || window.end != nil
        if isCutShort || more && keys.isEmpty {
            // The window has no keys to answer with, or more expired ones than may be tombstoned before the next timer.
            // The request is executed again. If the window is used up, a new walk looks for the keys after it.
            if place == window.entries.count { leader.listings.drop(index) }
            return leader.held.append(request, as: .held)
        }
        if keys.count > limit { keys.removeLast() }
        if !more, first == 0 { leader.listings.drop(index) }
        // A key under change is listed as it will be once the change is chosen.
        wait(request, .listed(keys: keys, more: more), base: leader.log.last, leader)
    }

    func executeCount(_ request: Request, _ leader: Leader) {
        guard leader.isSettled else { return leader.held.append(request, as: .held) }
        // An expired record counts until there is a tombstone above it, because nobody may be told before that it has
        // expired. The sweep sees to the tombstones, so that a count looks at no record.
        var count = context.store.usage(partition).keys
        if context.store.nextExpiry(partition)?.hasPassed(at: context.now.wall) == true {
            context.decide(.countExpired)
            if context.breaks(.countExpired) { count = keysPresentByClock }
        }
        // The store does not hold the records proposed in this tick yet. Among them may be records that an earlier
        // leader had acknowledged, and that this one has just recovered and proposed again.
        leader.log.forEachUnsent { proposal in
            if context.store.head(partition, proposal.key)?.isTombstone == false { count -= 1 }
            if proposal.record.value != nil { count += 1 }
        }
        wait(request, .counted(count), base: leader.log.last, leader)
    }

    /// What a count would say without the rule `countExpired`.
    private var keysPresentByClock: Int {
        var count = 0
        context.store.forEach(partition) { _, head in if head.isPresent(at: context.now.wall) { count += 1 } }
        return count
    }

    /// The head of the key's latest record: of its proposal in flight, or else of the store's record.
    func latestHead(_ key: Key, _ leader: Leader) -> RecordHead? {
        guard let sequence = leader.log.inFlight(key), let proposal = leader.log[sequence] else {
            return context.store.head(partition, key)
        }
        return proposal.record.head
    }
}

/// A walk over every key of a partition, one leaf of the hash tree after the other, over as many timers as it takes.
struct KeyWalk {
    var page: KeyPage
    /// The next leaf to look at.
    var leaf = 0
}

/// The windows and walks that a leader keeps for listings.
struct Listings {
    /// The largest number of windows that one partition keeps, and of walks that wait for each other.
    static let maximumWindows = 4
    static let maximumWalks = 16

    private(set) var windows: [KeyWindow] = []
    private var walks: [KeyWalk] = []

    var isEmpty: Bool { windows.isEmpty && walks.isEmpty }

    /// Adds a key that has been proposed.
    mutating func add(_ key: Key, limit: Int) {
        for index in windows.indices { windows[index].add(key, limit: limit) }
        // The walk may have passed the key's leaf.
        for index in walks.indices { walks[index].page.offer(key) }
    }

    // MARK: Walks

    /// True if a walk for a query may begin: none is under way for it, and not too many are for others.
    func mayBegin(_ query: ListQuery) -> Bool {
        walks.count < Self.maximumWalks
            && !walks.contains { $0.page.prefix == query.prefix && $0.page.after?.key == query.after }
    }

    mutating func begin(_ walk: KeyWalk) { walks.append(walk) }

    /// The next leaf of the oldest walk; nil if there is no walk.
    var nextLeaf: Int? { walks.first?.leaf }

    /// Takes the page of the oldest walk, of which there must be one. The caller puts it back with `putBack`. (Taken
    /// out, it is changed without a copy.)
    mutating func takePage() -> KeyPage {
        let page = walks[0].page
        walks[0].page = KeyPage(prefix: [], after: nil, limit: 1)
        return page
    }

    mutating func putBack(_ page: KeyPage, nextLeaf: Int, now: Instant) {
        guard nextLeaf == HashTree.leafCount else {
            walks[0].page = page
            walks[0].leaf = nextLeaf
            return
        }
        walks.removeFirst()
        if windows.count >= Self.maximumWindows,
            let oldest = windows.indices.min(by: { windows[$0].used < windows[$1].used })
        {
            windows.remove(at: oldest)
        }
        windows.append(KeyWindow(page, now: now))
    }

    // MARK: Windows

    func window(for query: ListQuery) -> Int? { windows.lastIndex { $0.covers(query) } }

    /// Notes that a page was answered from a window.
    ///
    /// - Parameter gone: The indices of keys that are not there any more, ascending.
    mutating func used(_ index: Int, gone: [Int], now: Instant) {
        windows[index].remove(gone)
        windows[index].used = now
    }

    mutating func drop(_ index: Int) { windows.remove(at: index) }

    /// Drops the windows that no listing has used for `time`.
    mutating func dropUnused(for time: Nanoseconds, now: Instant) { windows.removeAll { now - $0.used >= time } }

    mutating func dropWindows() { windows = [] }
}
