import KVAPI
import KVCore

/// Where a listing stands on the ring, which partitions it asks next, and when its page ends.
///
/// It goes by slots. Which partition has them is looked up anew each time, so it makes no difference what is split on
/// the way, and by what topology the nodes go that the listing has been at before. A leader answers by the same slots
/// as the shard of this node that asked it (`Shard.isCutAlike`), and the node knows which they are before it has the
/// answer (`ShardNotice.split`). So an answer has all keys of the slots that the partition has when the answer is here.
struct ListCourse {
    /// The most partitions that are asked at a time.
    static let maximumWidth = 32

    /// A partition to ask.
    struct Step: Equatable {
        let partition: PartitionID
        /// The partition's, when it is asked.
        let slots: ClosedRange<Slot>
        let after: Key?
        /// The largest number of keys.
        let limit: Int
    }

    /// What a partition answers.
    struct Answer: Equatable {
        let keys: [Key]
        /// Whether more of its keys follow.
        let more: Bool
    }

    enum Progress: Equatable {
        /// The page goes on with these partitions.
        case asks([Step])
        /// The page has ended. The next one begins at `next`; there is none if that is nil.
        case ends(next: ListCursor?)
    }

    /// The keys of the page.
    private(set) var keys: [Key] = []
    private let limit: Int
    private let scope: KeyScope
    /// As when the cluster was created.
    private let foundingSlots: SlotMap
    private let last: Slot
    /// All keys before are listed; nil at the end.
    private var place: ListCursor?
    private var steps: [Step] = []
    private var width = 1

    init(_ query: ListRequest, _ foundingSlots: SlotMap) {
        limit = query.limit
        scope = query.scope
        self.foundingSlots = foundingSlots
        let cursor = query.cursor ?? ListCursor(slot: Slot(0))
        if let slot = Slot(sharedByKeysWith: query.prefix) {
            last = slot
            place = cursor.slot < slot ? ListCursor(slot: slot) : cursor
        } else {
            last = Slot(UInt16(Slot.count - 1))
            place = cursor
        }
    }

    /// Chooses the partitions to ask next: the more, the fewer keys those before had.
    mutating func goOn(by slots: NodeSlots) -> Progress {
        steps = []
        var next = place?.slot
        while steps.count < width, let slot = next, let first = scope.first(from: slot), first <= last {
            let partition = slots.partition(of: first)
            guard let range = slots.slots(of: partition) else {
                assertionFailure("the partition that has a slot has slots")
                break
            }
            let after = place.flatMap { range.contains($0.slot) ? $0.key : nil }
            steps.append(Step(partition: partition, slots: range, after: after, limit: limit - keys.count))
            next = range.upperBound.next
        }
        width = min(2 * width, Self.maximumWidth)
        return steps.isEmpty ? .ends(next: nil) : .asks(steps)
    }

    /// Takes the answers of all partitions that were asked, in their order.
    mutating func take(_ answers: [Answer], by slots: NodeSlots) -> Progress {
        assert(answers.count == steps.count, "each partition that is asked answers")
        for (step, answer) in zip(steps, answers) {
            let isWhole = take(answer, of: step, by: slots)
            if keys.count > limit {
                keys.removeLast(keys.count - limit)
                return .ends(next: keys.last.map(ListCursor.init(after:)))
            }
            if let key = keys.last, keys.count == limit || answer.more { return .ends(next: next(after: key)) }
            guard isWhole else { break }
        }
        return goOn(by: slots)
    }

    /// - Returns: Whether the listing has come to the end of the step's slots. If not, later answers are of no use.
    private mutating func take(_ answer: Answer, of step: Step, by slots: NodeSlots) -> Bool {
        // The place may have gone to a new partition, which is asked next.
        guard let place, let range = slots.slots(of: step.partition), range.upperBound >= place.slot else {
            return false
        }
        let isSplit = range != step.slots
        var listed = answer.keys
        // The answer may be older than the split or not. So what the partition has given away is asked for anew.
        if isSplit { listed.removeAll { $0.slot > range.upperBound } }
        if !answer.more {
            self.place = range.upperBound.next.map { ListCursor(slot: $0) }
        } else if let key = listed.last {
            self.place = ListCursor(after: key)
        }
        if scope != .cluster { listed.removeAll { !scope.contains($0.slot) } }
        keys.append(contentsOf: listed)
        return !answer.more && !isSplit
    }

    /// Where the next page begins if this one ends with `key`.
    private func next(after key: Key) -> ListCursor? {
        guard let place, let slot = scope.first(from: place.slot), slot <= last else { return nil }
        guard place.key == nil else { return place }
        let partition = foundingSlots.partition(of: slot)
        return foundingSlots.slots(of: partition)?.lowerBound == slot ? ListCursor(slot: slot) : ListCursor(after: key)
    }
}

extension Slot {
    /// The slot of all keys that begin with `prefix`, if it contains a whole hash tag; nil if their slots differ.
    fileprivate init?(sharedByKeysWith prefix: [UInt8]) {
        guard let open = prefix.firstIndex(of: UInt8(ascii: "{")),
            let close = prefix[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return nil }
        self = Key(prefix).slot
    }
}
