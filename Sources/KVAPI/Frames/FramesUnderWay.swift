import KVCore

/// The requests of a connection that are under way. The token of one is the number of its slot, which is free again
/// once it has been answered.
struct FramesUnderWay {
    struct Entry {
        /// The client's number for it.
        let number: UInt32
        let isRead: Bool
        /// The expected size of its answer, as `ReplyRoom` counts it. Bytes.
        let counted: Int
        /// Of its key and value.
        let bytes: Int
    }

    /// A read whose value was larger than expected and was dropped. It is carried out again when there is room.
    struct Aside {
        let number: UInt32
        let request: Request
        /// The size of the value that it brought.
        let bytes: Int
    }

    private var entries: [Entry?] = []
    private var free: [Int] = []
    /// The oldest first.
    private var aside: [Aside] = []

    private var begun = 0
    /// Bytes of the keys and values of those that were begun.
    private(set) var bytes = 0

    /// Those that are put aside included.
    var count: Int { begun + aside.count }

    /// Whether no read waits to be carried out again.
    var areAsExpected: Bool { aside.isEmpty }

    /// The token that the next request to `begin` must have.
    var nextToken: Int { free.last ?? entries.count }

    mutating func begin(_ entry: Entry) {
        if let token = free.popLast() { entries[token] = entry } else { entries.append(entry) }
        begun += 1
        bytes += entry.bytes
    }

    func underWay(_ token: Int) -> Entry? { entries.indices.contains(token) ? entries[token] : nil }

    /// Frees a slot. Returns nil if nothing has the token.
    mutating func end(_ token: Int) -> Entry? {
        guard let entry = underWay(token) else { return nil }
        entries[token] = nil
        free.append(token)
        begun -= 1
        bytes -= entry.bytes
        return entry
    }

    mutating func putAside(_ read: Aside) { aside.append(read) }

    var firstAside: Aside? { aside.first }

    mutating func takeAside() { aside.removeFirst() }
}
