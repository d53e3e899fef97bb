import KVCore

/// The entries of one partition that have an expiry, by the time of their expiry: a hierarchical timing wheel (Varghese
/// and Lauck, 1987; tokio's timers are built alike).
///
/// Time is counted in ticks of 16 ms, and a tick is written in ten digits of four bits. An entry is in the list of the
/// highest digit in which its tick differs from the present one, and of that digit's value:
///
///     level 9   [ . . . ]     2^40 ticks ahead at most: the year 2527. What expires later never expires.
///     ...
///     level 1   [ . 3 . ]     expires when the second-lowest digit is 3
///     level 0   [ . . 9 ]     expires in this tick of the present sixteen, or is in the present tick
///     due                     the tick is over
///     unfiled                 the digit has been reached: to be filed anew by the digits below
///
/// So time goes on with a few splices of lists. An entry is filed anew at most once for each level below its own.
///
/// The lists are circular and linked both ways: an entry is added, removed and filed in constant time. Links lie in
/// blocks that are allocated where entries have an expiry. They take 8 bytes for each of a block's 64 entries.
struct ExpiryCalendar: ~Copyable {
    private struct Link {
        /// Entry numbers.
        var next: UInt32
        var previous: UInt32
    }
    private typealias Block = UnsafeMutablePointer<Link>

    private static let blockSize = 64
    /// log2 of a tick in milliseconds.
    private static let tickBits = 4
    private static let digitBits = 4
    private static let digits = 1 << digitBits
    private static let levels = 10
    private static let lastTick: UInt64 = 1 << UInt64(levels * digitBits) - 1
    private static let due = levels * digits
    private static let unfiled = due + 1
    private static let lists = unfiled + 1

    /// The first entry of each list, from 1; 0 where the list is empty. Nil before the first entry.
    private var heads: UnsafeMutablePointer<UInt32>?
    private var blocks: [Block?] = []
    /// The number of a block's entries that are in lists.
    private var used: [UInt8] = []
    /// The present tick, as of the last call of `advance`.
    private var present: UInt64
    /// The number of entries.
    private(set) var count = 0

    init() { present = 0 }

    /// A calendar without entries, at the same time as another.
    init(at other: borrowing Self) { present = other.present }

    deinit {
        heads?.deallocate()
        for block in blocks { block?.deallocate() }
    }

    // MARK: Entries

    /// - Parameter expiry: When the entry expires, in milliseconds since 1970; not 0.
    mutating func add(_ entry: Int, _ expiry: UInt64) {
        let heads = makeHeads()
        let number = entry / Self.blockSize
        while blocks.count <= number {
            blocks.append(nil)
            used.append(0)
        }
        if blocks[number] == nil { blocks[number] = .allocate(capacity: Self.blockSize) }
        used[number] += 1
        count += 1
        append(entry, to: heads + list(of: Self.tick(expiry)))
    }

    /// - Parameter expiry: The expiry under which the entry was added.
    mutating func remove(_ entry: Int, _ expiry: UInt64) {
        guard let heads else { return assertionFailure("an entry is removed from a list that it is in") }
        take(entry, from: heads + self.head(of: entry, list(of: Self.tick(expiry)), heads))
        let number = entry / Self.blockSize
        count -= 1
        used[number] -= 1
        guard used[number] == 0 else { return }
        blocks[number]?.deallocate()
        blocks[number] = nil
        while used.last == 0 {
            used.removeLast()
            blocks.removeLast()
        }
    }

    /// Notes that an entry has another number.
    mutating func move(_ old: Int, to new: Int, _ expiry: UInt64) {
        remove(old, expiry)
        add(new, expiry)
    }

    /// Notes that an entry expires at another time.
    mutating func change(_ entry: Int, from old: UInt64, to new: UInt64) {
        let (source, target) = (list(of: Self.tick(old)), list(of: Self.tick(new)))
        // (If it is still to be filed, that will be done by the new expiry.)
        guard source != target, let heads else { return }
        take(entry, from: heads + head(of: entry, source, heads))
        append(entry, to: heads + target)
    }

    // MARK: Time

    /// The time before which `advance` would find no further entry due, in milliseconds since 1970. Nil if there are no
    /// entries, 0 if some are due, or still to be filed.
    var next: UInt64? {
        guard count > 0, let heads else { return nil }
        guard heads[Self.due] == 0, heads[Self.unfiled] == 0 else { return 0 }
        for level in 0..<Self.levels {
            let shift = UInt64(level * Self.digitBits)
            for digit in Self.digit(present, level)..<Self.digits where heads[level * Self.digits + digit] != 0 {
                let above = shift + UInt64(Self.digitBits)
                let start = ((present >> above) << above) | (UInt64(digit) << shift)
                return (level == 0 ? start + 1 : start) << UInt64(Self.tickBits)
            }
        }
        assertionFailure("every entry is in a list")
        return 0
    }

    /// Finds the entries that are due, and files those whose digit has been reached.
    ///
    /// - Parameters:
    ///   - wall: The present time, in milliseconds since 1970.
    ///   - filing: The largest number of entries to file.
    ///   - expiry: Gives the expiry of an entry.
    /// - Returns: The number of entries that have been filed.
    mutating func advance(to wall: UInt64, filing: Int, expiry: (Int) -> UInt64) -> Int {
        guard let heads else { return 0 }
        let now = Self.tick(wall)
        if now > present {
            let level = Self.level(now ^ present)
            present = now
            for list in 0..<level * Self.digits { splice(heads + list, into: heads + Self.due) }
            let reached = level * Self.digits + Self.digit(now, level)
            for list in level * Self.digits..<reached { splice(heads + list, into: heads + Self.due) }
            if level > 0 { splice(heads + reached, into: heads + Self.unfiled) }
        }
        var left = filing
        while left > 0, heads[Self.unfiled] != 0 {
            let entry = Int(heads[Self.unfiled] - 1)
            take(entry, from: heads + Self.unfiled)
            append(entry, to: heads + list(of: Self.tick(expiry(entry))))
            left -= 1
        }
        return filing - left
    }

    /// Calls `body` with entries that are due. The next call begins with others.
    ///
    /// - Parameters:
    ///   - limit: The largest number of entries.
    ///   - body: It must not change the calendar.
    /// - Returns: The number of entries.
    mutating func forEachDue(limit: Int, _ body: (Int) -> Void) -> Int {
        guard limit > 0, let heads, heads[Self.due] != 0 else { return 0 }
        let first = heads[Self.due]
        var left = limit
        repeat {
            let entry = Int(heads[Self.due] - 1)
            body(entry)
            heads[Self.due] = link(entry).pointee.next + 1
            left -= 1
        } while left > 0 && heads[Self.due] != first
        return limit - left
    }

    // MARK: Lists

    private static func tick(_ milliseconds: UInt64) -> UInt64 { min(milliseconds >> UInt64(tickBits), lastTick) }

    private static func digit(_ tick: UInt64, _ level: Int) -> Int {
        Int(truncatingIfNeeded: tick >> UInt64(level * digitBits)) & (digits - 1)
    }

    /// The level of the highest digit in which two ticks differ.
    private static func level(_ difference: UInt64) -> Int {
        (UInt64.bitWidth - 1 - (difference | 1).leadingZeroBitCount) / digitBits
    }

    private func list(of tick: UInt64) -> Int {
        guard tick >= present else { return Self.due }
        let level = Self.level(tick ^ present)
        return level * Self.digits + Self.digit(tick, level)
    }

    /// The list that an entry is the first of, or any list if it is not the first of one.
    private func head(of entry: Int, _ list: Int, _ heads: UnsafeMutablePointer<UInt32>) -> Int {
        let first = UInt32(truncatingIfNeeded: entry + 1)
        if heads[list] == first { return list }
        return heads[Self.unfiled] == first ? Self.unfiled : Self.due
    }

    private func link(_ entry: Int) -> UnsafeMutablePointer<Link> {
        guard let block = blocks[entry / Self.blockSize] else {
            preconditionFailure("an entry that is in a list has links")
        }
        return block + entry % Self.blockSize
    }

    private func append(_ entry: Int, to head: UnsafeMutablePointer<UInt32>) {
        let number = UInt32(truncatingIfNeeded: entry)
        guard head.pointee != 0 else {
            link(entry).initialize(to: Link(next: number, previous: number))
            head.pointee = number + 1
            return
        }
        let first = head.pointee - 1
        let last = link(Int(first)).pointee.previous
        link(entry).initialize(to: Link(next: first, previous: last))
        link(Int(last)).pointee.next = number
        link(Int(first)).pointee.previous = number
    }

    /// - Parameter head: That of the entry's list, if the entry is the first of it; else that of any list.
    private func take(_ entry: Int, from head: UnsafeMutablePointer<UInt32>) {
        let taken = link(entry).pointee
        let number = UInt32(truncatingIfNeeded: entry)
        if head.pointee == number + 1 { head.pointee = taken.next == number ? 0 : taken.next + 1 }
        link(Int(taken.previous)).pointee.next = taken.next
        link(Int(taken.next)).pointee.previous = taken.previous
    }

    /// Appends a list to another, and empties it.
    private func splice(_ source: UnsafeMutablePointer<UInt32>, into target: UnsafeMutablePointer<UInt32>) {
        guard source.pointee != 0 else { return }
        defer { source.pointee = 0 }
        guard target.pointee != 0 else { return target.pointee = source.pointee }
        let (first, other) = (Int(target.pointee - 1), Int(source.pointee - 1))
        let (last, otherLast) = (link(first).pointee.previous, link(other).pointee.previous)
        link(Int(last)).pointee.next = source.pointee - 1
        link(other).pointee.previous = last
        link(Int(otherLast)).pointee.next = target.pointee - 1
        link(first).pointee.previous = otherLast
    }

    private mutating func makeHeads() -> UnsafeMutablePointer<UInt32> {
        if let heads { return heads }
        let heads = UnsafeMutablePointer<UInt32>.allocate(capacity: Self.lists)
        heads.initialize(repeating: 0, count: Self.lists)
        self.heads = heads
        return heads
    }
}

extension ExpiryCalendar {
    /// What is wrong with it, in words; nil if nothing is. Looks at all entries.
    ///
    /// - Parameter expiry: Gives the expiry of an entry; 0 if it has none.
    func flaw(_ expiry: (Int) -> UInt64) -> String? {
        var found = 0
        for list in 0..<Self.lists {
            guard let heads, heads[list] != 0 else { continue }
            let first = Int(heads[list] - 1)
            var entry = first
            repeat {
                found += 1
                let tick = Self.tick(expiry(entry))
                guard expiry(entry) != 0, list == Self.unfiled || list == self.list(of: tick) else {
                    return "entry \(entry), which expires at \(expiry(entry)), is in list \(list)"
                }
                let next = Int(link(entry).pointee.next)
                guard link(next).pointee.previous == UInt32(truncatingIfNeeded: entry), found <= count else {
                    return "list \(list) is not linked both ways"
                }
                entry = next
            } while entry != first
        }
        let linked = used.reduce(0) { $0 + Int($1) }
        return found == count && linked == count
            ? nil : "\(found) entries are in lists, \(linked) in blocks, of \(count)"
    }
}
