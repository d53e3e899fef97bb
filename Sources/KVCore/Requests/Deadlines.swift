/// The requests of a shard by deadline: a hashed timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing
/// Wheels"). Adding and removing a request takes the same time however many there are.
struct Deadlines {
    private static let slots = 1024
    /// The width of a slot is 2 to the power of this, in nanoseconds: 16.8 ms. The wheel turns once in 17 s. A request
    /// with more time stays for several turns.
    private static let shift: UInt64 = 24

    private var wheel: [[Request]] = Array(repeating: [], count: slots)
    private var last: UInt64
    private(set) var count = 0

    init(now: Instant) { last = now.nanoseconds >> Self.shift }

    mutating func insert(_ request: Request) {
        assert(request.deadlinePlace < 0, "a request is in the list once")
        // An overdue request is put where the next look finds it.
        let slot = Int(max(request.deadline.nanoseconds >> Self.shift, last) % UInt64(Self.slots))
        request.deadlineSlot = slot
        request.deadlinePlace = wheel[slot].count
        wheel[slot].append(request)
        count += 1
    }

    mutating func remove(_ request: Request) {
        let place = request.deadlinePlace
        guard place >= 0 else { return }
        let slot = request.deadlineSlot
        assert(wheel[slot][place] === request, "a request knows its place")
        request.deadlinePlace = -1
        let moved = wheel[slot].removeLast()
        if moved !== request {
            wheel[slot][place] = moved
            moved.deadlinePlace = place
        }
        count -= 1
    }

    /// Visits all requests, in no order.
    func forEach(_ body: (Request) -> Void) {
        for requests in wheel { requests.forEach(body) }
    }

    /// Removes the requests whose deadlines have passed, in the order in which they came.
    mutating func takeDue(at now: Instant) -> [Request] {
        let present = now.nanoseconds >> Self.shift
        guard count > 0 else {
            last = present
            return []
        }
        var due: [Request] = []
        let turns = min(present >= last ? present - last : 0, UInt64(Self.slots - 1))
        for turn in 0...turns {
            for request in wheel[Int((present - turn) % UInt64(Self.slots))] where request.deadline <= now {
                due.append(request)
            }
        }
        last = present
        for request in due { remove(request) }
        due.sort { $0.serial < $1.serial }
        return due
    }
}
