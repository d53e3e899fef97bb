/// The requests of one key that cannot be evaluated yet, in the order in which they came. The first one needs a value
/// that is being read from disk, or must not be evaluated on the record in flight. Later requests of the key queue
/// behind it.
struct Backlog {
    var requests: RequestQueue
    /// The number of the read from disk that it waits for; 0 if it waits until the record in flight is chosen.
    var load: UInt64
}

/// The reason why a request cannot be evaluated yet.
enum Obstacle {
    /// The record in flight may expire before it is chosen.
    case inFlight
    /// The value of the latest record has to be read from disk.
    case onDisk(ReadTicket)
}

extension Replica {
    func queue(_ request: Request, behind obstacle: Obstacle, _ leader: Leader) {
        leader.backlogs[request.key] = Backlog(
            requests: RequestQueue(request, as: .evaluating), load: beginLoad(obstacle, request.key, leader))
    }

    /// Begins the read from disk that `obstacle` asks for.
    ///
    /// - Returns: The read's number; 0 if no read is needed.
    private func beginLoad(_ obstacle: Obstacle, _ key: Key, _ leader: Leader) -> UInt64 {
        guard case .onDisk(let ticket) = obstacle else { return 0 }
        leader.lastLoadID += 1
        context.load(ticket, for: .evaluate(partition, leader.ballot, key, id: leader.lastLoadID))
        return leader.lastLoadID
    }

    func loadedToEvaluate(_ ballot: Ballot, _ key: Key, id: UInt64, _ value: LoadedValue) {
        // Late: an earlier leadership began the read, or the requests that waited have been withdrawn.
        guard let leader, leader.ballot == ballot, leader.backlogs[key]?.load == id else { return }
        switch value {
        case .record(let record): advanceBacklog(key, loaded: record, leader)
        case .gone: advanceBacklog(key, loaded: nil, leader)
        case .damaged:
            var backlog = leader.backlogs.removeValue(forKey: key)
            holdUnreadable(backlog?.requests.takeAll() ?? [], leader)
        }
    }

    /// Evaluates the requests of a key that have waited until nothing of the key is in flight.
    func advanceBacklogAfterChoice(_ key: Key, _ leader: Leader) {
        guard !leader.backlogs.isEmpty, leader.backlogs[key]?.load == 0 else { return }
        advanceBacklog(key, loaded: nil, leader)
    }

    /// Moves all backlogs to the held requests. None of these requests has been proposed, so they may go to another
    /// leader.
    func holdBacklogs(_ leader: Leader) {
        for key in leader.backlogs.keys.sorted() {
            leader.held.append(leader.backlogs[key]?.requests.takeAll() ?? [], as: .held)
        }
        leader.backlogs = [:]
    }

    /// Evaluates the requests of a backlog, as far as that is possible now.
    ///
    /// - Parameter loaded: The record that was read from disk. It may have been replaced meanwhile.
    private func advanceBacklog(_ key: Key, loaded: Record?, _ leader: Leader) {
        guard var backlog = leader.backlogs.removeValue(forKey: key) else {
            return assertionFailure("only a backlog that exists can advance")
        }
        guard leader.transfer == nil, majorityIsUp else {
            leader.held.append(backlog.requests.takeAll(), as: .held)
            return context.markDirty(self)
        }
        let requests = backlog.requests.takeAll()
        for (index, request) in requests.enumerated() {
            // The key's latest record was known when the first of them came, and this leader has kept track of it
            // since.
            guard let obstacle = evaluate(request, loaded: loaded, keyIsKnown: true, leader) else { continue }
            backlog.requests.append(Array(requests[index...]), as: .evaluating)
            backlog.load = beginLoad(obstacle, key, leader)
            leader.backlogs[key] = backlog
            return
        }
    }
}
