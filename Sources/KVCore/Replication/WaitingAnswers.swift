/// An answer that changes nothing. It waits until the record that it rests on is chosen, and until a majority has
/// confirmed the ballot after the request came.
struct WaitingAnswer {
    let id: UInt64
    let request: Request
    /// The answer; nil while its value is being read from disk.
    var outcome: Outcome?
    /// The proposal that it rests on; 0 if it rests on a record known to be chosen.
    let base: UInt64
    /// When the record in flight that it rests on expires. If it has expired when the answer could be given, the
    /// request is executed again.
    let expiry: Expiry
    /// The confirmation round that it waits for; 0 until the tick ends.
    var round: UInt64 = 0
}

/// The waiting answers of one leader, in the order in which they came.
///
/// A request that is withdrawn stays in its place, so that it need not be searched for. Withdrawn requests are removed
/// when they are more than half of all.
struct WaitingAnswers {
    private var places: [WaitingAnswer] = []
    private var withdrawn = 0
    private var lastID: UInt64 = 0

    var isEmpty: Bool { places.count == withdrawn }

    /// Adds an answer.
    ///
    /// - Parameter outcome: Nil while the value is being read from disk.
    /// - Returns: The answer's number, by which `loaded` and `remove` find it.
    @discardableResult
    mutating func append(_ request: Request, _ outcome: Outcome?, base: UInt64, expiry: Expiry) -> UInt64 {
        lastID += 1
        request.stage = .confirming
        places.append(WaitingAnswer(id: lastID, request: request, outcome: outcome, base: base, expiry: expiry))
        return lastID
    }

    /// Has the answers that were added since the last round wait for this one.
    mutating func begin(round: UInt64) {
        for place in places.indices.reversed() {
            guard places[place].round == 0 else { break }
            places[place].round = round
        }
    }

    mutating func withdraw(_ request: Request) {
        assert(request.stage == .confirming, "an answer is withdrawn once")
        request.stage = .begun
        withdrawn += 1
        if withdrawn * 2 > places.count { drop { _ in false } }
    }

    /// Removes the answers that are `done`, and those whose requests have been withdrawn.
    mutating func drop(_ done: (WaitingAnswer) -> Bool) {
        places.removeAll { $0.request.stage != .confirming || done($0) }
        withdrawn = 0
    }

    mutating func takeAll() -> [Request] {
        let requests = places.map(\.request).filter { $0.stage == .confirming }
        for request in requests { request.stage = .begun }
        places = []
        withdrawn = 0
        return requests
    }

    /// Completes an answer whose value has been read.
    ///
    /// - Returns: False if nobody waits for it any more.
    mutating func loaded(_ id: UInt64, _ outcome: Outcome) -> Bool {
        guard let place = place(id) else { return false }
        places[place].outcome = outcome
        return true
    }

    /// Removes an answer whose value could not be read.
    ///
    /// - Returns: Its request; nil if nobody waits for it any more.
    mutating func remove(_ id: UInt64) -> Request? {
        guard let place = place(id) else { return nil }
        let request = places.remove(at: place).request
        request.stage = .begun
        return request
    }

    private func place(_ id: UInt64) -> Int? {
        places.firstIndex { $0.id == id && $0.request.stage == .confirming }
    }
}
