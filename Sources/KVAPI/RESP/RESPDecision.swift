import KVCore
import KVWire
import NIOCore

/// The way in which a request is answered.
enum RESPDecision {
    /// Reply, after all that came before.
    case answer(RESPAnswer)
    /// Carry out one command on one key.
    case key(Key, Command, RESPExpectation)
    /// Carry out commands on several keys, each by itself.
    case keys(RESPGathering)
    /// Carry out a task about the whole node or cluster.
    case task(RESPTask)
    /// Reply, if anything, and close.
    case close(RESPAnswer?)
}

extension RESPDecision {
    /// Decides about the request that the parser has found. Returns nil if it has to wait until all requests before it
    /// have been answered. The parser is borrowed while the session is changed, so neither is copied.
    ///
    /// - Parameter isFirst: whether all requests before it have been answered.
    static func of(
        _ parser: borrowing RESPRequestParser, _ input: ByteBuffer, _ table: RESPCommandTable,
        _ session: inout RESPSession, isFirst: Bool
    ) -> RESPDecision? {
        parser.withArguments(input) { arguments in
            do throws(RESPFailure) {
                guard let found = table.find(arguments[0]) else {
                    return isForeign(arguments) ? .close(nil) : .answer(.failure(.unknownCommand(arguments)))
                }
                let command = try found.resolved(arguments)
                guard isFirst || !command.flags.contains(.alone) else { return nil }
                if session.isTransactionRefused, !RefusedCommands.endsTransaction(command) {
                    return .answer(.failure(.afterRefusedTransaction(command.name)))
                }
                if session.command !== command { session.command = command }
                return try command.run(arguments, &session)
            } catch {
                return .answer(.failure(error))
            }
        }
    }

    /// Whether these are the words of a browser that was tricked into speaking to a Redis.
    private static func isForeign(_ arguments: RESPArguments) -> Bool {
        arguments.matches(0, "POST") || arguments.matches(0, "HOST:")
    }
}

/// A task that takes more than one command on one key. It begins when every earlier request has been answered, and no
/// later one begins before its end.
enum RESPTask {
    case count
    case scan(ScanRequest)
    case keys(RESPGlob)
    case randomKey
    case flush
    case cluster(ClusterQuestion)
}

/// A question about the cluster.
enum ClusterQuestion {
    case slots, shards, nodes, info, myID
    /// The number of replicas, beside the leader, that have every acknowledged write.
    case wait

    /// Whether it asks which node has which slots.
    var isMap: Bool {
        switch self {
        case .slots, .shards, .nodes: true
        case .info, .myID, .wait: false
        }
    }
}
