/// A client's operation on one key, or (`list`, `count`) on one partition. Each is atomic and linearizable.
package enum Command: Hashable, Sendable {
    case get
    case put(Put)
    case delete(Condition)
    /// Asks for one page of the partition's keys.
    case list(ListQuery)
    /// Asks for the number of the partition's keys. Expired records that have no tombstone yet may be counted.
    case count
    /// Changes a value depending on the present one. It is indirect to keep the frequent commands small.
    indirect case update(Update)

    /// True if the command changes nothing, so that it may be executed twice.
    @inlinable
    package var isRead: Bool {
        switch self {
        case .get, .list, .count: true
        case .put, .delete, .update: false
        }
    }

    /// True if the command is about a partition rather than a key.
    @inlinable
    package var isOfPartition: Bool {
        switch self {
        case .list, .count: true
        case .get, .put, .delete, .update: false
        }
    }
}

/// Stores a value if the condition holds.
package struct Put: Hashable, Sendable {
    package var value: [UInt8]
    /// A media type: see `Record.contentType`.
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

/// How long a record lives. The leader of the key's partition decides when it has expired, by its own clock.
package enum Lifetime: Hashable, Sendable {
    case unlimited
    /// Milliseconds from the moment at which the leader executes the change. A record with 0 has expired at once.
    case milliseconds(UInt64)
    /// A point in time, in milliseconds since 1970, UTC. It may be in the past.
    case until(UInt64)

    /// The time at which a record that is written at `wall` expires. Saturates. The result is `.never` for `unlimited`
    /// only.
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

/// A condition on a key's present record, without which a change is not made. Deleted and expired records count as
/// absent.
public enum Condition: Hashable, Sendable {
    case always
    /// The record is present and has this version.
    case ifVersion(Version)
    case ifAbsent
    case ifPresent

    /// True if the condition holds for a record of the version `present`, or for an absent one if that is nil.
    package func holds(of present: Version?) -> Bool {
        switch self {
        case .always: true
        case .ifVersion(let version): present == version
        case .ifAbsent: present == nil
        case .ifPresent: present != nil
        }
    }
}

/// Asks for one page of a partition's keys in ring order: by slot, then by the bytes of the key.
package struct ListQuery: Hashable, Sendable {
    /// Only keys that begin with these bytes are listed.
    package var prefix: [UInt8]
    /// Only keys after this one in ring order are listed. Nil begins at the partition's first key.
    package var after: Key?
    /// The largest number of keys to list: `1 ... maximumLimit`.
    package var limit: Int

    package static let maximumLimit = 1000

    package init(prefix: [UInt8], after: Key?, limit: Int) {
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }
}

extension Command {
    /// The number of bytes of the values that the command carries.
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
