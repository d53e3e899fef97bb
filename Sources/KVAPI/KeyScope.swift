import KVCore

/// The keys that a command on many keys is about.
package enum KeyScope: Hashable, Sendable {
    case cluster
    /// The keys of some slots, in ranges that ascend. They stay the same whatever is split.
    case slots([ClosedRange<Slot>])

    /// The first of its slots that is `slot` or comes after it; nil if there is none.
    package func first(from slot: Slot) -> Slot? {
        switch self {
        case .cluster: slot
        case .slots(let ranges): range(endingAtOrAfter: slot, ranges).map { max($0.lowerBound, slot) }
        }
    }

    package func contains(_ slot: Slot) -> Bool { first(from: slot) == slot }

    /// Whether it has all of these slots.
    package func contains(_ slots: ClosedRange<Slot>) -> Bool {
        guard case .slots(let ranges) = self else { return true }
        var first = slots.lowerBound
        while let range = range(endingAtOrAfter: first, ranges), range.contains(first) {
            guard range.upperBound < slots.upperBound, let next = range.upperBound.next else { return true }
            first = next
        }
        return false
    }

    private func range(endingAtOrAfter slot: Slot, _ ranges: [ClosedRange<Slot>]) -> ClosedRange<Slot>? {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < slot { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count ? ranges[low] : nil
    }
}
