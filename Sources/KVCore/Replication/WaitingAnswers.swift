/// An answer that changes nothing: it waits until what it is based on is chosen, and until a majority has confirmed the
/// ballot after it came.
struct WaitingAnswer {
    let id: UInt64
    let request: Request
    /// Nil while the value is read from disk.
    var outcome: Outcome?
    /// The proposal it is based on; 0 where that is a record known to be chosen.
    let base: UInt64
    /// When what it is based on, still in flight, ends to be there: past it, the request is executed again.
    let expiry: Expiry
    /// The confirmation round that it takes; 0 until the tick ends.
    var round: UInt64 = 0
}

/// The answers of one leader that wait, in the order in which they came.
///
/// A request that is withdrawn stays in its place as one that nobody waits for, so that it need not be searched for;
/// the places are given up when they are more than the others.
struct WaitingAnswers {
    private var places: [WaitingAnswer] = []
    private var withdrawn = 0
    private var lastID: UInt64 = 0

    var isEmpty: Bool { places.count == withdrawn }

    /// - Parameter outcome: nil while the value is read from disk.
    /// - Returns: the answer's number, by which `loaded` finds it.
    @discardableResult
    mutating func append(_ request: Request, _ outcome: Outcome?, base: UInt64, expiry: Expiry) -> UInt64 {
        lastID += 1
        request.stage = .confirming
        places.append(WaitingAnswer(id: lastID, request: request, outcome: outcome, base: base, expiry: expiry))
        return lastID
    }

    /// Those that wait for no round yet wait for this one.
    mutating func begin(round: UInt64) {
        for place in places.indices.reversed() {
            guard places[place].round == 0 else { break }
            places[place].round = round
        }
    }

    mutating func withdraw(_ request: Request) {
        assert(request.stage == .confirming, "it is taken out once")
        request.stage = .begun
        withdrawn += 1
        if withdrawn * 2 > places.count { drop { _ in false } }
    }

    /// Takes out those that are `done`, and those that nobody waits for.
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

    /// The value has been read.
    ///
    /// - Returns: false where nobody waits for it any more.
    mutating func loaded(_ id: UInt64, _ outcome: Outcome) -> Bool {
        guard let place = place(id) else { return false }
        places[place].outcome = outcome
        return true
    }

    /// The value could not be read.
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
