/// Requests of one key that cannot be evaluated yet, in the order in which they came: the first needs a value that is
/// being read from disk, or must not be evaluated on the record in flight. Whatever comes for the key meanwhile queues
/// behind it.
struct Backlog {
    var requests: RequestQueue
    /// The read from disk that it waits for; 0 where it waits for the record in flight to be chosen.
    var load: UInt64
}

/// Why a request cannot be evaluated yet.
enum Obstacle {
    /// The record in flight may have expired before it is chosen.
    case inFlight
    /// The value of the latest record.
    case onDisk(ReadTicket)
}

extension Replica {
    func queue(_ request: Request, behind obstacle: Obstacle, _ leader: Leader) {
        leader.backlogs[request.key] = Backlog(
            requests: RequestQueue(request, as: .evaluating), load: beginLoad(obstacle, request.key, leader))
    }

    /// Returns the read's number; 0 where it takes none.
    private func beginLoad(_ obstacle: Obstacle, _ key: Key, _ leader: Leader) -> UInt64 {
        guard case .onDisk(let ticket) = obstacle else { return 0 }
        leader.lastLoadID += 1
        context.load(ticket, for: .evaluate(partition, leader.ballot, key, id: leader.lastLoadID))
        return leader.lastLoadID
    }

    func loadedToEvaluate(_ ballot: Ballot, _ key: Key, id: UInt64, _ value: LoadedValue) {
        // Late: of an earlier leadership, or what waited has been withdrawn.
        guard let leader, leader.ballot == ballot, leader.backlogs[key]?.load == id else { return }
        switch value {
        case .record(let record): advanceBacklog(key, loaded: record, leader)
        case .gone: advanceBacklog(key, loaded: nil, leader)
        case .damaged:
            var backlog = leader.backlogs.removeValue(forKey: key)
            holdUnreadable(backlog?.requests.takeAll() ?? [], leader)
        }
    }

    /// Nothing of the key is in flight any more.
    func advanceBacklogAfterChoice(_ key: Key, _ leader: Leader) {
        guard !leader.backlogs.isEmpty, leader.backlogs[key]?.load == 0 else { return }
        advanceBacklog(key, loaded: nil, leader)
    }

    /// Nothing of what waits to be evaluated has been proposed, so it may as well be passed on.
    func holdBacklogs(_ leader: Leader) {
        for key in leader.backlogs.keys.sorted() {
            leader.held.append(leader.backlogs[key]?.requests.takeAll() ?? [], as: .held)
        }
        leader.backlogs = [:]
    }

    /// Evaluates what has waited, as far as that can be done now. `loaded` may have been replaced meanwhile.
    private func advanceBacklog(_ key: Key, loaded: Record?, _ leader: Leader) {
        guard var backlog = leader.backlogs.removeValue(forKey: key) else {
            return assertionFailure("what goes on has waited")
        }
        guard leader.transfer == nil, majorityIsUp else {
            leader.held.append(backlog.requests.takeAll(), as: .held)
            return context.markDirty(self)
        }
        let requests = backlog.requests.takeAll()
        for (index, request) in requests.enumerated() {
            // What the latest record is was known when the first of them came, and this leader has lost no track of it
            // since.
            guard let obstacle = evaluate(request, loaded: loaded, keyIsKnown: true, leader) else { continue }
            backlog.requests.append(Array(requests[index...]), as: .evaluating)
            backlog.load = beginLoad(obstacle, key, leader)
            leader.backlogs[key] = backlog
            return
        }
    }
}
