import KVModel

/// What a client asks for. All but `list` are about the key of the frame.
package enum ClientOperation: Hashable, Sendable {
    case get(Consistency)
    case put(Put)
    case delete(Condition)
    /// Adds to a decimal integer. A lifetime of `keep` leaves the expiry as it is.
    case add(Int64, lifetime: Update.LifetimeChange)
    /// Changes the expiry only.
    case touch(Update.LifetimeChange)
    /// One page of the keys that begin with the frame's key.
    case list(ListPage)

    /// Whether it changes nothing, so that it may be sent twice.
    package var isRead: Bool {
        switch self {
        case .get, .list: true
        case .put, .delete, .add, .touch: false
        }
    }
}

/// A page of a listing that is asked for.
package struct ListPage: Hashable, Sendable {
    /// The cursor of the page before, as the node gave it; empty for the first page. UTF-8.
    package var cursor: [UInt8]
    /// `1 ... ListQuery.maximumLimit`.
    package var limit: Int
    package var values: Bool

    package init(cursor: [UInt8], limit: Int, values: Bool) {
        self.cursor = cursor
        self.limit = limit
        self.values = values
    }
}

/// A request on a connection. Any number may be under way; each is answered by its number, in any order.
package struct RequestFrame: Hashable, Sendable {
    /// Chosen by the client: no other request under way on the connection has it.
    package var number: UInt32
    /// Milliseconds that the node may take; 0 means its default.
    package var timeout: UInt32
    /// The prefix, for a listing.
    package var key: Key
    package var operation: ClientOperation

    package init(number: UInt32, timeout: UInt32, key: Key, operation: ClientOperation) {
        self.number = number
        self.timeout = timeout
        self.key = key
        self.operation = operation
    }

    /// The largest length of a frame where keys and values may be so long.
    package static func largest(key: Int, value: Int) -> Int {
        // A cursor is at most the base64 of a key and two bytes, and a prefix may be longer than a key.
        overhead + Key.maximumBytes + 2 * max(key, 0) + max(value, 0) + Record.maximumContentType
    }

    /// More than all fields of fixed size take.
    private static let overhead = 128
}
