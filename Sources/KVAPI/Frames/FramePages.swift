import KVCore
import NIOCore

/// The pages that a connection has asked for. A few are gathered at a time; of those with values, which are large, one,
/// and only when the budget has room for it. The others wait.
struct FramePages {
    struct Page {
        /// The client's number for it.
        let number: UInt32
        let values: Bool
    }

    private struct Waiting {
        let request: ListRequest
        let page: Page
        let until: Instant
    }

    /// Pages that are gathered at a time.
    static let maximumUnderWay = 4

    private let budget: ReplyBudget
    private var waiting: [Waiting] = []
    private var underWay: [Int: Page] = [:]
    private var lastToken = 0
    /// Bytes that the page with values has charged the budget for; 0 while there is none.
    private var charged = 0
    /// Whether one that waits has found too little room in the budget.
    private(set) var isShortOfBudget = false

    init(budget: ReplyBudget) { self.budget = budget }

    var count: Int { waiting.count + underWay.count }

    /// When the first that waits is refused.
    var deadline: Instant? { waiting.lazy.map(\.until).min() }

    mutating func append(_ request: ListRequest, _ number: UInt32, now: Instant) {
        let page = Page(number: number, values: request.values)
        waiting.append(Waiting(request: request, page: page, until: now + request.timeout))
    }

    /// The page to be gathered next, if there is one now, and its token.
    mutating func next(now: Instant) -> (ListRequest, token: Int)? {
        isShortOfBudget = false
        guard !waiting.isEmpty, underWay.count < Self.maximumUnderWay,
            let index = waiting.indices.first(where: { mayBegin(waiting[$0].page) })
        else { return nil }
        let next = waiting.remove(at: index)
        if next.page.values {
            charged = roomForValues
            budget.charge(charged)
        }
        lastToken += 1
        underWay[lastToken] = next.page
        var request = next.request
        request.timeout = next.until - now
        return (request, lastToken)
    }

    private mutating func mayBegin(_ page: Page) -> Bool {
        guard page.values else { return true }
        guard charged == 0 else { return false }
        if budget.has(roomForValues) { return true }
        isShortOfBudget = true
        return false
    }

    /// A page may end somewhat past its limit, and is copied once.
    private var roomForValues: Int { min(2 * ListRequest.pageBytes, budget.limit) }

    /// Ends a page. Returns nil if it is not waited for any more.
    mutating func end(_ token: Int) -> Page? {
        guard let page = underWay.removeValue(forKey: token) else { return nil }
        if page.values { giveBack() }
        return page
    }

    /// Takes the number of a page that has waited too long for room.
    mutating func takeLate(now: Instant) -> UInt32? {
        guard let index = waiting.firstIndex(where: { $0.until <= now }) else { return nil }
        return waiting.remove(at: index).page.number
    }

    mutating func close() {
        waiting = []
        underWay = [:]
        giveBack()
    }

    private mutating func giveBack() {
        budget.charge(-charged)
        charged = 0
    }
}
