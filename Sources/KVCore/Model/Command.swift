/// What a client asks of one key, or (`list`, `count`) of one partition. Each is atomic and linearizable.
public enum Command: Hashable, Sendable {
    case get
    case put(Put)
    case delete(Condition)
    case list(ListQuery)
    /// How many keys the partition has. Those that have expired and were not yet swept may count.
    case count
    indirect case update(Update)

    /// Whether executing it twice, or not knowing whether it ran, can be noticed.
    @inlinable
    public var isRead: Bool {
        switch self {
        case .get, .list, .count: true
        case .put, .delete, .update: false
        }
    }

    /// Whether it is about a partition rather than a key.
    @inlinable
    public var isOfPartition: Bool {
        switch self {
        case .list, .count: true
        case .get, .put, .delete, .update: false
        }
    }
}

public struct Put: Hashable, Sendable {
    public var value: [UInt8]
    public var contentType: String
    public var lifetime: Lifetime
    public var condition: Condition

    public init(
        value: [UInt8], contentType: String = "", lifetime: Lifetime = .unlimited, condition: Condition = .always
    ) {
        self.value = value
        self.contentType = contentType
        self.lifetime = lifetime
        self.condition = condition
    }
}

/// How long a record lives. The leader's clock turns it into an `Expiry`.
public enum Lifetime: Hashable, Sendable {
    case unlimited
    case milliseconds(UInt64)
    /// Until a time, in milliseconds since 1970.
    case until(UInt64)

    /// Saturates. A lifetime that has already passed gives an expiry that has passed, never `.never`.
    public func expiry(at wall: UInt64) -> Expiry {
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
    public func holds(of present: Version?) -> Bool {
        switch self {
        case .always: true
        case .ifVersion(let version): present == version
        case .ifAbsent: present == nil
        case .ifPresent: present != nil
        }
    }
}

/// One page of a partition's keys, in ring order: by slot, then bytewise.
public struct ListQuery: Hashable, Sendable {
    public var prefix: [UInt8]
    /// Keys after this one in ring order; nil starts at the partition's first.
    public var after: Key?
    /// `1 ... maximumLimit`.
    public var limit: Int

    public static let maximumLimit = 1000

    public init(prefix: [UInt8], after: Key?, limit: Int) {
        self.prefix = prefix
        self.after = after
        self.limit = limit
    }
}

/// How an operation ended: done, refused (nothing changed), or unknown.
public enum Outcome: Hashable, Sendable {
    /// The record that `get` found; never a tombstone, never expired.
    case found(Record)
    /// `get` or `delete` of a key that is not there.
    case absent
    /// A put or delete took effect under this version.
    case written(Version)
    /// The condition did not hold; the version it met, nil where the key is absent.
    case conditionFailed(Version?)
    /// `list`: at most `limit` keys in ring order; `more` when others follow the last.
    case listed(keys: [Key], more: Bool)
    case counted(Int)
    /// An update was judged. The version of the record it wrote, nil where it wrote none.
    case updated(Version?, UpdateResult)
    /// Nothing was changed.
    case refused(Refusal)
    /// The change may or may not have taken effect, or may yet.
    case unknown(Uncertainty)
}

public enum Refusal: UInt8, Hashable, Sendable, CaseIterable {
    /// No leader could be reached in time: too few replicas are up or in touch.
    case noLeader = 1
    /// A limit of this node is reached.
    case overloaded = 2
    /// The disk of a replica is nearly full: writes are refused, reads and deletes go on.
    case diskFull = 3
    /// The node is stopping.
    case stopping = 4
    /// A stale read found no replica that answers; or the value could be read from the disk of none that did.
    case noReplica = 5
    /// The node is not a member of a cluster: it waits to be admitted, or was removed.
    case notMember = 6
}

public enum Uncertainty: UInt8, Hashable, Sendable, CaseIterable {
    /// No answer in time after the change was proposed.
    case timedOut = 1
    /// The node that was carrying it out died or lost its leadership.
    case leaderLost = 2
}

extension Command {
    /// Bytes of the values it brings.
    public var valueBytes: Int {
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
