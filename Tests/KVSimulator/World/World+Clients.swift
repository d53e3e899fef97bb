import KVCore

// The clients. Each makes a request, waits for the answer, thinks, and makes the next one.

extension World {
    func startClients() {
        if scenario.isCalm, !everyPartitionIsLed {
            return after(20_000_000) { [self] in startClients() }
        }
        for client in 0..<scenario.clients {
            let home = clientRandom.below(scenario.nodes)
            after(clientRandom.below(50_000_000)) { [self] in step(client, home: home) }
        }
    }

    private var everyPartitionIsLed: Bool {
        (0..<scenario.partitions).allSatisfy { partition in
            nodes.contains { $0.process?.leadership(of: PartitionID(UInt16(partition))) == true }
        }
    }

    private func step(_ client: Int, home: Int) {
        guard !isHealed else { return }
        let members = admitted
        guard !members.isEmpty else { return }
        let isAtHome = clientRandom.chance(0.7) && !nodes[home].isGone && nodes[home].process?.isLeaving != true
        let node = isAtHome ? nodes[home] : members[clientRandom.below(members.count)]
        let again = { [self] (_: Call, _: Outcome?) in
            after(1000 + clientRandom.below(scenario.think.nanoseconds)) { [self] in step(client, home: home) }
        }
        guard let process = node.process, !process.isLeaving else {
            return after(5_000_000 + clientRandom.below(scenario.think.nanoseconds)) { [self] in
                step(client, home: home)
            }
        }
        request(randomRequest(), at: node, within: scenario.deadline, then: again)
    }

    struct Request {
        var key: Key
        var command: Command
        var consistency = Consistency.linearizable
        var write = 0
    }

    /// Makes a request at a node.
    /// - Parameter then: Is called with the call as it ended and its outcome, which is nil if the node died first.
    func request(
        _ request: Request, at node: Node, within timeout: Nanoseconds, then: @escaping (Call, Outcome?) -> Void
    ) {
        guard let process = node.process else { return }
        process.lastRequest += 1
        let id = RequestID(node.boot << 32 | process.lastRequest)
        // As in the product, a request of a key names a partition that the cluster was created with, and one of a whole
        // partition names it by the splits that its shard knows of.
        let founding = RingOrder.partition(of: request.key, partitions: scenario.partitions)
        let slots = process[founding].slots
        let partition = request.command.isOfPartition ? slots.partition(of: request.key.slot) : founding
        let call = Call(
            node: node.number, key: request.key, partition: partition, command: request.command,
            consistency: request.consistency, write: request.write, timeout: timeout, slots: slots,
            invoked: time)
        statistics[.requests] += 1
        let callID = CallID(node: node.number, request: id)
        history.begin(callID, call)
        waiting[callID] = then
        let deadline = node.clock.monotonic(time) + timeout
        trace.line(time, "\(node.number) is asked \(process.lastRequest): \(request.key) \(request.command)")
        trace.fold(time, id.raw, UInt64(request.write))
        give(
            KVCore.Request(
                request.command, key: request.key, partition: partition, consistency: request.consistency,
                limit: .until(deadline), caller: RequestCaller(.client), token: id.raw),
            to: node, process)
    }

    /// - Parameter slots: Those of partitions by the shard that answers.
    func answered(_ request: RequestID, _ outcome: Outcome, _ node: Node, by slots: SlotMap) {
        trace.fold(time, request.raw, UInt64(statistics.count(outcome)))
        let id = CallID(node: node.number, request: request)
        guard let call = history.answer(id, outcome, by: slots, at: time) else { return }
        checkPunctual(call, node)
        checkUninterrupted(call, outcome)
        remember(call.key, outcome)
        waiting.removeValue(forKey: id)?(call, outcome)
    }

    /// Checks that an answer is late by no more than a few timers of the node's own clock, unless the node was paused.
    private func checkPunctual(_ call: Call, _ node: Node) {
        guard node.resumed <= call.invoked else { return }
        let taken = node.clock.monotonic(time) - node.clock.monotonic(call.invoked)
        let grace = options.timer.nanoseconds * 5
        guard taken.nanoseconds > call.timeout.nanoseconds + grace else { return }
        history.add(Violation(.lateAnswer, "\(call)"))
    }

    /// Checks that every request is served in a calm run, whatever moves.
    private func checkUninterrupted(_ call: Call, _ outcome: Outcome) {
        guard scenario.isCalm else { return }
        switch outcome {
        case .refused, .unknown: history.add(Violation(.interruption, "\(call)"))
        default: return
        }
    }

    private func remember(_ key: Key, _ outcome: Outcome) {
        let version: Version? =
            switch outcome {
            case .found(let record): record.version
            case .written(let version): version
            case .conditionFailed(let version): version
            case .updated(let version, _): version
            default: nil
            }
        switch outcome {
        case .found(let record): lastValues[key] = record.value
        case .updated(_, let result): if let content = result.previous { lastValues[key] = content.bytes }
        default: break
        }
        if let version { shown[key, default: []].append(version) }
    }

    // MARK: - Random requests

    private func randomRequest() -> Request {
        let key = clientRandom.pick(keys)
        switch clientRandom.weighted(scenario.mix.weights) {
        case 0: return Request(key: key, command: .get)
        case 1: return Request(key: key, command: .get, consistency: .stale)
        case 2: return put(key, .always)
        case 3: return put(key, .ifAbsent)
        case 4: return put(key, .ifPresent)
        case 5: return put(key, .ifVersion(someVersion(key)))
        case 6: return Request(key: key, command: .delete(.always))
        case 7: return Request(key: key, command: .delete(.ifVersion(someVersion(key))))
        case 8: return list(key)
        case 9: return Request(key: key, command: .count)
        case let kind: return update(key, kind)
        }
    }

    private func update(_ key: Key, _ kind: Int) -> Request {
        let write = history.nextWrite()
        let isCurious = clientRandom.chance(0.5)
        func request(
            _ change: Update.Change, _ requirement: Update.Requirement = .always,
            _ lifetime: Update.LifetimeChange = .keep, tellsPrevious: Bool = false
        ) -> Request {
            let update = Update(
                change, requirement: requirement, lifetime: lifetime, returnsPrevious: tellsPrevious,
                maximumLength: 1 << 20)
            return Request(key: key, command: .update(update), write: write)
        }
        let set = Update.Change.set(someValue(write), contentType: "")
        switch kind {
        // A failed comparison asks for the present value: without it, too many histories would explain the failure.
        case 10: return request(set, .equals(likelyValue(key)), lifetimeChange(), tellsPrevious: true)
        case 11: return request(set, .always, lifetimeChange(), tellsPrevious: true)
        case 12: return request(set, .absent, lifetimeChange(), tellsPrevious: isCurious)
        case 13: return request(.remove, .equals(likelyValue(key)), tellsPrevious: true)
        case 14: return request(.remove, tellsPrevious: true)
        case 15: return request(.append(Content.tail(write)))
        case 16: return request(.add(Int64(Content.amount(write))))
        case 17:
            // If values do not expire, this is a read.
            let lifetime = scenario.expires && !isHealed ? Update.LifetimeChange.set(someLifetime()) : .keep
            return request(.keep, .always, lifetime, tellsPrevious: isCurious)
        default: return request(.keep, .expiring, .set(.unlimited))
        }
    }

    private func someValue(_ write: Int) -> [UInt8] {
        guard !clientRandom.chance(0.4) else { return Content.number(write) }
        return Content.word(write, length: scenario.isCramped ? clientRandom.below(Scenario.largestValue) : 0)
    }

    /// The value that a client was shown last, or one that nobody writes.
    private func likelyValue(_ key: Key) -> [UInt8] { lastValues[key] ?? Array("none".utf8) }

    private func lifetimeChange() -> Update.LifetimeChange {
        // An expiry that was kept is the only trace of the change that it came from. If many outcomes are unknown, it
        // explains too much, so few values keep theirs.
        if clientRandom.chance(scenario.expires ? scenario.keeping : 0.3) { return .keep }
        return .set(
            scenario.expires && clientRandom.chance(scenario.expiring) && !isHealed ? someLifetime() : .unlimited)
    }

    private func someLifetime() -> Lifetime {
        let span = 1 + clientRandom.below(scenario.lifetime.milliseconds)
        return clientRandom.chance(scenario.punctual)
            ? .until(Self.wallOrigin + (time / 1_000_000 + span) - clientRandom.below(min(span, 20)))
            : .milliseconds(span)
    }

    func put(_ key: Key, _ condition: Condition) -> Request {
        let write = history.nextWrite()
        var put = Put(value: someValue(write), condition: condition)
        if scenario.expires, clientRandom.chance(scenario.expiring), !isHealed { put.lifetime = someLifetime() }
        return Request(key: key, command: .put(put), write: write)
    }

    /// A version for a condition: mostly the one shown last, at times an older one, rarely one that never existed.
    private func someVersion(_ key: Key) -> Version {
        guard let versions = shown[key], let newest = versions.last, !clientRandom.chance(0.05) else {
            return Version(ballot: Ballot(round: 1, node: NodeNumber(1)), sequence: 1_000_000)
        }
        guard clientRandom.chance(0.25) else { return newest }
        return versions[max(0, versions.count - 1 - clientRandom.below(5))]
    }

    private func list(_ key: Key) -> Request {
        let prefix = clientRandom.pick([[], [], Array("k".utf8), Array("{".utf8)])
        let after = clientRandom.chance(0.3) ? key : nil
        let query = ListQuery(prefix: prefix, after: after, limit: 1 + clientRandom.below(4))
        return Request(key: key, command: .list(query))
    }
}

extension Statistics {
    /// Counts an answer, and returns the number of its kind.
    fileprivate mutating func count(_ outcome: Outcome) -> Int {
        let counter: Counter =
            switch outcome {
            case .found: .found
            case .absent: .absent
            case .written: .written
            case .conditionFailed: .conditionFailed
            case .listed: .listed
            case .counted: .counted
            case .updated(.some, _): .updated
            case .updated(nil, _): .notUpdated
            case .refused: .refused
            case .unknown: .unknown
            }
        self[counter] += 1
        return counter.rawValue
    }
}
