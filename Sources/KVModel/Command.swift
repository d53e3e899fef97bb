/// What a client asks of one key, or (`list`, `count`) of one partition. Each is atomic and linearizable.
package enum Command: Hashable, Sendable {
    case get
    case put(Put)
    case delete(Condition)
    case list(ListQuery)
    /// How many keys the partition has. Those that have expired and were not yet swept may count.
    case count
    indirect case update(Update)

    /// Whether executing it twice, or not knowing whether it ran, can be noticed.
    @inlinable
    package var isRead: Bool {
        switch self {
        case .get, .list, .count: true
        case .put, .delete, .update: false
        }
    }

    /// Whether it is about a partition rather than a key.
    @inlinable
    package var isOfPartition: Bool {
        switch self {
        case .list, .count: true
        case .get, .put, .delete, .update: false
        }
    }
}

package struct Put: Hashable, Sendable {
    package var value: [UInt8]
    package var contentType: String
    package var lifetime: Lifetime
    package var condition: Condition

    package init(
        value: [UInt8], contentType: String = "", lifetime: Lifetime = .unlimited, condition: Condition = .always
    ) {
        self.value = value
        self.contentType = contentType
        self.lifetime = lifetime
        self.condition = condition
    }
}

/// How long a record lives. The leader's clock turns it into an `Expiry`.
package enum Lifetime: Hashable, Sendable {
    case unlimited
    case milliseconds(UInt64)
    /// Until a time, in milliseconds since 1970.
    case until(UInt64)

    /// Saturates. A lifetime that has already passed gives an expiry that has passed, never `.never`.
    package func expiry(at wall: UInt64) -> Expiry {
        switch self {
        case .unlimited: return .never
        case .milliseconds(let span):
            let (sum, overflow) = wall.addingReportingOverflow(span)
            return Expiry(milliseconds: overflow ? .max : max(sum, 1))
        case .until(let time): return Expiry(milliseconds: max(time, 1))
        }
    }
}

/// What must hold of a key's present record for a change to be made. An expired record and a tombstone count as absent.
public enum Condition: Hashable, Sendable {
    case always
    case ifVersion(Version)
    case ifAbsent
    case ifPresent

    /// Whether the condition holds of `head` (nil: absent) as a client sees it.
    package func holds(of present: Version?) -> Bool {
        switch self {
        case .always: true
        case .ifVersion(let version): present == version
        case .ifAbsent: present == nil
        case .ifPresent: present != nil
        }
    }
}

/// One page of a partition's keys, in ring order: by slot, then bytewise.
package struct ListQuery: Hashable, Sendable {
    package var prefix: [UInt8]
    /// Keys after this one in ring order; nil starts at the partition's first.
    package var after: Key?
    /// `1 ... maximumLimit`.
    package var limit: Int

    package static let maximumLimit = 1000

    package init(prefix: [UInt8], after: Key?, limit: Int) {
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }
}

extension Command {
    /// Bytes of the values it brings.
    package var valueBytes: Int {
        switch self {
        case .get, .list, .count, .delete: return 0
        case .put(let put): return put.value.count
        case .update(let update): return update.valueBytes
        }
    }
}

extension Update {
    fileprivate var valueBytes: Int {
        let compared = if case .equals(let value) = requirement { value.count } else { 0 }
        switch change {
        case .set(let value, _), .append(let value), .overwrite(_, let value), .addNumber(let value):
            return compared + value.count
        case .remove, .keep, .add: return compared
        }
    }
}
