// How a node asks others for support, and gives it (Replication/Leases.swift). The first shard of a node asks for all,
// and answers once all have given theirs.

/// The answer to a node that wants support, of which parts are missing.
struct GatheredSupport {
    let question: SupportQuestion
    /// By shard.
    private var taken: [UInt64?]

    init(_ question: SupportQuestion, shards: Int) {
        self.question = question
        taken = Array(repeating: nil, count: shards)
    }

    /// Adds a part.
    ///
    /// - Returns: All parts; nil while some are missing.
    mutating func add(_ support: SiblingSupport) -> [UInt64]? {
        guard Int(support.shard) < taken.count else { return nil }
        taken[Int(support.shard)] = support.taken
        return taken.contains(nil) ? nil : taken.compactMap { $0 }
    }
}

extension Shard {
    /// The peers whose support this shard's leaders want.
    var wantedSupport: [NodeNumber] {
        context.leases.wanted(within: context.options.leaseUse, of: context.now.monotonic)
    }

    /// Asks the peers for support whose support is wanted, in the first shard; others have it asked for.
    func askForSupport() {
        let wanted = wantedSupport
        guard isFirst else {
            // Otherwise the next beat says so.
            if !wanted.allSatisfy(toldWanted.contains) { tellSiblings() }
            return
        }
        let now = context.now.monotonic
        let all = siblings.wanted(at: now, context.options).union(wanted)
        guard !all.isEmpty else { return askedSupport.removeAll() }
        guard siblings.allRun(of: shards, at: now, context.options) else { return }
        for node in others where all.contains(node) && context.relays(node) {
            if let asked = askedSupport[node], now - asked < context.options.leaseRenewal { continue }
            askedSupport[node] = now
            let question = SupportQuestion(asked: now, boot: context.boot)
            context.send(node, .shards(.supportWanted(question)))
        }
    }

    func receive(_ question: SupportQuestion, from node: NodeNumber) {
        guard topology.member(node) != nil else { return }
        // Whoever answers by confirmations alone may have a clock that is not to be counted on.
        guard context.leases.mode == .lease else {
            if isFirst { context.effects.append(.notice(.unsupported(node))) }
            return
        }
        context.leases.note(question, from: node)
    }

    /// Supports the nodes that have asked since the last look at the clock.
    func giveSupport() {
        for (node, question) in context.leases.giveSupport(at: context.now.monotonic, context.options) {
            let support = SiblingSupport(
                node: node, question: question, shard: leaderships.shard, taken: context.leases.taken(from: node))
            if isFirst { gather(support) } else { context.effects.append(.siblings(.support(support))) }
        }
    }

    /// Takes one shard's part of an answer, in the first shard, and answers when it is the last.
    func gather(_ support: SiblingSupport) {
        let (node, question) = (support.node, support.question)
        if let known = supportAnswers[node]?.question, known != question {
            // Late: the node has asked again.
            guard question.asked > known.asked || question.boot > known.boot else { return }
            supportAnswers[node] = nil
        }
        guard let taken = supportAnswers[node, default: GatheredSupport(question, shards: shards)].add(support)
        else { return }
        supportAnswers[node] = nil
        context.send(node, .shards(.support(SupportAnswer(question: question, boot: context.boot, taken: taken))))
    }

    func receive(_ answer: SupportAnswer, from node: NodeNumber) {
        let (now, options) = (context.now.monotonic, context.options)
        // Late: an earlier process of this node has asked.
        guard answer.question.boot == context.boot, answer.question.asked <= now, topology.member(node) != nil else {
            return
        }
        var answer = answer
        let lasting = context.breaks(.allowForDrift) ? options.lease : options.leaseCounted
        if context.breaks(.countFromQuestion) { answer.question.asked = now }
        context.leases.support(of: node).take(answer, lasting: lasting)
    }
}
