import KVCore
import NIOCore

/// The pages that a connection has asked for. Those with values are large: one of them is gathered at a time, once the
/// budget has room for it, and the others wait.
struct FramePages {
    private struct Waiting {
        let request: ListRequest
        let number: UInt32
        let until: Instant
    }

    struct Page {
        let values: Bool
    }

    private let budget: ReplyBudget
    private var waiting = CircularBuffer<Waiting>()
    private var underWay: [UInt32: Page] = [:]
    /// Bytes that the page with values has charged the budget for; 0 while there is none.
    private var charged = 0
    /// Whether the first that waits has found too little room in the budget.
    private(set) var isShortOfBudget = false

    init(budget: ReplyBudget) { self.budget = budget }

    var count: Int { waiting.count + underWay.count }

    /// When the first that waits is refused.
    var deadline: Instant? { waiting.lazy.map(\.until).min() }

    mutating func append(_ request: ListRequest, _ number: UInt32, now: Instant) {
        waiting.append(Waiting(request: request, number: number, until: now + request.timeout))
    }

    /// The page to be gathered next, if there is one now.
    mutating func next() -> (ListRequest, UInt32)? {
        isShortOfBudget = false
        guard let first = waiting.first else { return nil }
        if first.request.values {
            guard charged == 0 else { return nil }
            let bytes = min(2 * ListRequest.pageBytes, budget.limit)
            guard budget.has(bytes) else {
                isShortOfBudget = true
                return nil
            }
            budget.charge(bytes)
            charged = bytes
        }
        waiting.removeFirst()
        underWay[first.number] = Page(values: first.request.values)
        return (first.request, first.number)
    }

    /// Ends a page. Returns nil if it is not waited for any more.
    mutating func end(_ number: UInt32) -> Page? {
        guard let page = underWay.removeValue(forKey: number) else { return nil }
        if page.values { giveBack() }
        return page
    }

    /// Takes the number of a page that has waited too long for room.
    mutating func takeLate(now: Instant) -> UInt32? {
        guard let index = waiting.firstIndex(where: { $0.until <= now }) else { return nil }
        return waiting.remove(at: index).number
    }

    mutating func close() {
        waiting.removeAll()
        underWay = [:]
        giveBack()
    }

    private mutating func giveBack() {
        budget.charge(-charged)
        charged = 0
    }
}
