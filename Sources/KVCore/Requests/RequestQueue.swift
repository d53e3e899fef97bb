/// Requests that wait for one thing, in the order in which they came.
///
/// A request knows its place, so removing it from the middle needs no search. It leaves a gap. Gaps are closed when
/// there are more of them than requests.
struct RequestQueue {
    private var places: [Request?] = []
    private(set) var count = 0

    /// So many gaps are not worth closing.
    private static let fewGaps = 16

    init() {}

    init(_ request: Request, as stage: Request.Stage) { append(request, as: stage) }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ request: Request, as stage: Request.Stage) {
        request.stage = stage
        request.place = places.count
        places.append(request)
        count += 1
    }

    mutating func append(_ requests: [Request], as stage: Request.Stage) {
        for request in requests { append(request, as: stage) }
    }

    /// Removes a request that is in this queue.
    mutating func remove(_ request: Request) {
        assert(places[request.place] === request, "a request knows its place")
        places[request.place] = nil
        request.stage = .begun
        count -= 1
        if places.count > 2 * count + Self.fewGaps { closeGaps() }
    }

    private mutating func closeGaps() {
        places.removeAll { $0 == nil }
        for (place, request) in places.enumerated() { request?.place = place }
    }

    /// Removes all requests, and returns them in order.
    mutating func takeAll() -> [Request] {
        let all = places.compactMap { $0 }
        for request in all { request.stage = .begun }
        places.removeAll()
        count = 0
        return all
    }
}
