import KVCore

/// The operations of one phase, one after the other, as one thread of the generator gets them.
protocol OperationSource: Sendable {
    /// Nil where there are no more.
    mutating func next() -> Operation?

    /// An operation has ended, however it did.
    mutating func ended(_ operation: Operation)
}

/// Every key once.
struct LoadSource: OperationSource {
    private var key: Int
    private let step: Int
    private let end: Int

    /// - Parameters:
    ///   - thread: `0 ..< threads`; each loads its share.
    init(keys: Int, thread: Int, of threads: Int) {
        key = thread
        step = threads
        end = keys
    }

    mutating func next() -> Operation? {
        guard key < end else { return nil }
        defer { key += step }
        return Operation(kind: .insert, key: key)
    }

    mutating func ended(_ operation: Operation) {}
}

/// Operations as a mix and a distribution have them.
///
/// Each thread inserts keys of its own and asks for those from the beginning and for its own, up to the first whose
/// insertion has not ended: so threads need not talk to each other, and nobody asks for what is not there yet.
struct WorkloadSource: OperationSource {
    private let mix: WorkloadMix
    private var chooser: KeyChooser
    private var random: SplitMix
    /// Operations still to come.
    private var left: Int
    /// Keys from the beginning.
    private let initial: Int
    private let thread: Int
    private let threads: Int
    /// Insertions that this thread has begun.
    private var begun = 0
    /// Insertions that have ended, with all before them.
    private var settled = 0
    /// Those that ended before one that began earlier.
    private var early: Set<Int> = []

    /// - Parameters:
    ///   - operations: after which it ends.
    ///   - thread: `0 ..< threads`
    init(
        _ mix: WorkloadMix, _ distribution: Distribution, keys: Int, operations: Int, seed: UInt64, thread: Int,
        of threads: Int
    ) {
        self.mix = mix
        chooser = KeyChooser(distribution, keys: keys)
        // Mixed once: seeds that follow each other give unlike sequences.
        var seeds = SplitMix(seed: seed &+ UInt64(truncatingIfNeeded: thread))
        random = SplitMix(seed: seeds.next())
        left = operations
        initial = keys
        self.thread = thread
        self.threads = threads
    }

    mutating func next() -> Operation? {
        guard left > 0 else { return nil }
        left -= 1
        let kind = mix.kind(at: random.unit())
        if kind == .insert {
            defer { begun += 1 }
            return Operation(kind: .insert, key: ownKey(begun))
        }
        let place = chooser.place(of: initial + settled, using: &random)
        let key = place < initial ? place : ownKey(place - initial)
        let count = kind == .scan ? Int.random(in: 1...WorkloadMix.longestScan, using: &random) : 0
        return Operation(kind: kind, key: key, count: count)
    }

    mutating func ended(_ operation: Operation) {
        guard operation.kind == .insert else { return }
        let index = (operation.key - initial - thread) / threads
        guard index == settled else {
            early.insert(index)
            return
        }
        settled += 1
        while early.remove(settled) != nil { settled += 1 }
    }

    /// Key number of this thread's insertion number `index`. Past the last name that there is they begin anew.
    private func ownKey(_ index: Int) -> Int {
        initial + (thread + index * threads) % (KeyName.limit - initial)
    }
}
