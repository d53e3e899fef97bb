import KVCore

/// A deliberate mistake in the protocol, which the checks must catch.
package enum Mutant: String, CaseIterable, Sendable {
    /// A replica forgets its promises when it crashes.
    case forgetPromise = "forget-promise"
    /// Accepts are acknowledged before they are synced.
    case acknowledgeUnsynced = "acknowledge-unsynced"
    /// A write is acknowledged by its first accept.
    case acknowledgeFirst = "acknowledge-first"
    /// A leader answers reads without asking whether it still leads.
    case skipConfirm = "skip-confirm"
    /// A process that has just started does not support whoever has its promises.
    case skipGrace = "skip-grace"
    /// A leader counts support from when the answer comes.
    case countFromAnswer = "count-from-answer"
    /// A leader judges by the time at which the tick began whether it is supported.
    case lookEarly = "look-early"
    /// What comes in a tick is judged by the time at which the tick began.
    case takeEarly = "take-early"
    /// A leader counts support in full, whatever its clock's rate.
    case ignoreDrift = "ignore-drift"
    /// A replica promises a ballot although it supports the leader.
    case ignoreSupport = "ignore-support"
    /// Support covers partitions whose promises have been taken away meanwhile.
    case keepTaken = "keep-taken"
    /// A leader that has asked its successor to prepare goes on answering reads.
    case transferUnreleased = "transfer-unreleased"
    /// A failed condition is answered from a record that may never be chosen.
    case answerUnchosen = "answer-unchosen"
    /// A change is evaluated on a record in flight that may expire before it is chosen.
    case evaluateExpiring = "evaluate-expiring"
    /// Records are reported as expired without a tombstone, although a change that was evaluated on them may still be
    /// found.
    case tellExpired = "tell-expired"
    /// Records of the leader's own ballot are reported as expired without a tombstone, although the next leader's clock
    /// may be behind.
    case tellOwnExpired = "tell-own-expired"
    /// A count leaves out what has expired, although there is no tombstone above it yet.
    case countByClock = "count-by-clock"
    /// A node uses the time of its machine's clock, even if it is far from the other nodes' clocks.
    case followClock = "follow-clock"
    /// A new leader takes its own copy for complete.
    case skipRoots = "skip-roots"

    /// A partition switches to its next replica set before that holds every record.
    case switchEarly = "switch-early"
    /// Tombstones are removed while a replica lacks them.
    case purgeEarly = "purge-early"
    /// Replicas obey requests of any configuration.
    case skipEpochs = "skip-epochs"
    /// A replica that comes back keeps the records of its lapsed membership.
    case keepLapsed = "keep-lapsed"
    /// A leader whose disk has stalled goes on leading.
    case keepStalled = "keep-stalled"
    /// A leader whose disk is full goes on leading.
    case keepFull = "keep-full"
    /// A leader that is in touch with no majority goes on leading.
    case keepLonely = "keep-lonely"
    /// A connection that carries nothing counts as up while the failure detector holds the peer alive.
    case ignoreSilence = "ignore-silence"
    /// A record that cannot be read from the disk counts as absent.
    case forgetDamaged = "forget-damaged"
    /// A copy that may lack acknowledged records after a power loss answers as if it were complete.
    case voteIncomplete = "vote-incomplete"
    /// Heartbeats stay rare between nodes of a large cluster, even if one waits for the other.
    case neverAttend = "never-attend"
    /// A change of what a node leads is taken although an earlier one is missing.
    case skipGaps = "skip-gaps"
    /// Requests go to the partition that the sender names, although it has been split.
    case ignoreSplits = "ignore-splits"
    /// A leader that is split goes on with changes of keys that are not in its partition any more.
    case keepUnfinished = "keep-unfinished"
    /// A list is taken of a partition that the asker's topology cuts otherwise.
    case listAnyCut = "list-any-cut"
    /// What a topology changes is applied to whatever topology a node goes by.
    case misapplyChanges = "misapply-changes"
    /// A node acts on a topology before it is on disk.
    case actEarly = "act-early"
    /// Of the changes that wait for the disk, only the latest is written.
    case skipChanges = "skip-changes"
    /// What a split makes is sought in the shard that its own number names, and not in that of its parent.
    case scatterSplits = "scatter-splits"
    /// A message goes to the shard that would have its partition if the receiver had as many shards as the sender.
    case routeByPeer = "route-by-peer"
    /// Replies go to the first shard, whichever has asked.
    case replyToFirst = "reply-to-first"
    /// What a node says to all shards of another is told to the first only.
    case tellFirst = "tell-first"
    /// Each shard names its list of what it leads as the first one does.
    case nameFirst = "name-first"
    /// The first shard says of others that they run although they do not.
    case speakForStopped = "speak-for-stopped"

    func breakRules(of options: inout ClusterOptions) {
        switch self {
        case .misapplyChanges: options.broken.insert(.applyInOrder)
        case .actEarly: options.broken.insert(.persistBeforeActing)
        case .skipChanges: options.broken.insert(.persistEveryChange)
        default: break
        }
    }

    func breakRules(of options: inout ShardOptions) {
        switch self {
        case .misapplyChanges, .actEarly, .skipChanges: break  // They are the cluster machine's.
        case .acknowledgeFirst: options.broken.insert(.majorityAcknowledges)
        case .skipConfirm: options.broken.insert(.confirmReads)
        case .skipGrace: options.broken.insert(.supportAfterStart)
        case .countFromAnswer: options.broken.insert(.countFromQuestion)
        case .ignoreDrift: options.broken.insert(.allowForDrift)
        case .ignoreSupport: options.broken.insert(.keepSupport)
        case .keepTaken: options.broken.insert(.countTaken)
        case .transferUnreleased: options.broken.insert(.releaseBeforeTransfer)
        case .answerUnchosen: options.broken.insert(.answerOnlyChosen)
        case .evaluateExpiring: options.broken.insert(.awaitExpiring)
        case .tellExpired: options.broken.insert(.tombstoneExpired)
        case .tellOwnExpired: options.broken.insert(.tombstoneOwn)
        case .countByClock: options.broken.insert(.countExpired)
        case .skipRoots: options.broken.insert(.compareRoots)
        case .switchEarly: options.broken.insert(.settleBeforeSwitch)
        case .purgeEarly: options.broken.insert(.purgeWhenAllHold)
        case .skipEpochs: options.broken.insert(.compareEpochs)
        case .keepLapsed: options.broken.insert(.wipeLapsed)
        case .keepStalled: options.broken.insert(.yieldWhenStalled)
        case .forgetDamaged: options.broken.insert(.rememberDamaged)
        case .voteIncomplete: options.broken.insert(.abstainWhenIncomplete)
        case .keepFull: options.broken.insert(.yieldWhenFull)
        case .skipGaps: options.broken.insert(.noticeGaps)
        case .ignoreSplits: options.broken.insert(.followSplits)
        case .keepUnfinished: options.broken.insert(.divideUnfinished)
        case .listAnyCut: options.broken.insert(.compareCuts)
        case .keepLonely: options.broken.insert(.yieldWhenLonely)
        case .lookEarly, .takeEarly, .forgetPromise, .acknowledgeUnsynced, .ignoreSilence, .followClock, .neverAttend:
            break
        // They are made outside the shards.
        case .scatterSplits, .routeByPeer, .replyToFirst, .tellFirst, .nameFirst, .speakForStopped: break
        }
    }
}
