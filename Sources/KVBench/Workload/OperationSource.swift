import KVCore

/// The operations of one phase for one thread of the generator, one after the other.
protocol OperationSource: Sendable {
    /// The number of operations that `next` will still return.
    var left: Int { get }

    /// Returns the next operation; nil if there are no more.
    mutating func next() -> Operation?

    /// Called when an operation has ended, whether or not it was done.
    mutating func ended(_ operation: Operation)
}

/// Inserts every key once.
struct LoadSource: OperationSource {
    private var key: Int
    private let step: Int
    private let end: Int

    /// - Parameters:
    ///   - thread: a number in `0 ..< threads`. Each thread loads its share.
    init(keys: Int, thread: Int, of threads: Int) {
        key = thread
        step = threads
        end = keys
    }

    var left: Int { key < end ? (end - key + step - 1) / step : 0 }

    mutating func next() -> Operation? {
        guard key < end else { return nil }
        defer { key += step }
        return Operation(kind: .insert, key: key)
    }

    mutating func ended(_ operation: Operation) {}
}

/// Operations chosen at random by a mix and a distribution.
///
/// Each thread inserts keys of its own. It uses those from the beginning, and its own up to the first whose insertion
/// has not ended. So threads need not talk to each other, and no operation uses a key that does not exist yet.
struct WorkloadSource: OperationSource {
    private let mix: WorkloadMix
    private var chooser: KeyChooser
    private var random: SplitMix
    private(set) var left: Int
    /// The number of keys at the beginning.
    private let initial: Int
    private let thread: Int
    private let threads: Int
    /// The number of insertions that this thread has begun.
    private var begun = 0
    /// The number of insertions that have ended, up to the first that has not.
    private var settled = 0
    /// The insertions beyond `settled` that have ended.
    private var early: Set<Int> = []

    /// - Parameters:
    ///   - operations: the number of operations after which the source ends.
    ///   - thread: `0 ..< threads`
    init(
        _ mix: WorkloadMix, _ distribution: Distribution, keys: Int, operations: Int, seed: UInt64, thread: Int,
        of threads: Int
    ) {
        self.mix = mix
        chooser = KeyChooser(distribution, keys: keys)
        // The seed is mixed once, so that seeds that follow each other give different sequences.
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

    /// The number of the key of this thread's insertion number `index`. After the last number they begin again.
    private func ownKey(_ index: Int) -> Int {
        initial + (thread + index * threads) % (KeyName.limit - initial)
    }
}
