// What nodes tell each other of leases (Replication/Leases.swift).

/// A promise of one shard of a node stands as it did when the shard said this, for as long as the shard would say the
/// same: the same process, which has taken away as many promises of the asking node.
package struct PromiseMark: Hashable, Sendable {
    /// The boot counter of the process.
    package var boot: UInt64
    /// How many promises of the asking node the shard has given to others.
    package var taken: UInt64

    @inlinable
    package init(boot: UInt64, taken: UInt64) {
        self.boot = boot
        self.taken = taken
    }
}

/// A node's question whether another one supports it.
package struct SupportQuestion: Hashable, Sendable {
    /// When it was asked, by the asker's clock. The answer repeats it.
    package var asked: Instant
    /// The boot counter of the asking process.
    package var boot: UInt64

    package init(asked: Instant, boot: UInt64) {
        self.asked = asked
        self.boot = boot
    }
}

/// The answer: all shards of the sender support the asker for `ShardOptions.lease` from then on.
package struct SupportAnswer: Hashable, Sendable {
    package var question: SupportQuestion
    /// The boot counter of the process that answers.
    package var boot: UInt64
    /// By shard, how many promises of the asker it had given to others. There is at least one, and at most
    /// `LeadershipUpdate.maximumShards`.
    package var taken: [UInt64]

    package init(question: SupportQuestion, boot: UInt64, taken: [UInt64]) {
        self.question = question
        self.boot = boot
        self.taken = taken
    }
}

/// How linearizable reads at a leader are answered.
package enum ReadMode: String, Sendable, CaseIterable {
    /// From memory while a majority supports the leader; otherwise as with `confirm`.
    case lease
    /// After a majority has confirmed the leader's ballot.
    case confirm
}
