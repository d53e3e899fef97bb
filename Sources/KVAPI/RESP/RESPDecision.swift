import KVCore
import KVWire
import NIOCore

/// What is to be done about a request.
enum RESPDecision {
    /// Reply, after all that came before.
    case answer(RESPAnswer)
    /// Carry out one command on one key.
    case key(Key, Command, RESPExpectation)
    /// Carry out commands on several keys, each by itself.
    case keys(RESPGathering)
    /// Something about the whole node or cluster.
    case task(RESPTask)
    /// Reply, if anything, and close.
    case close(RESPAnswer?)
}

extension RESPDecision {
    /// What is to be done about the request that the parser has told last; nil where it has to wait until what came
    /// before it has been answered. It borrows the parser while it changes the session, and copies neither.
    ///
    /// - Parameter isFirst: nothing came before it.
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

    /// What a browser would send that was tricked into speaking to a Redis.
    private static func isForeign(_ arguments: RESPArguments) -> Bool {
        arguments.matches(0, "POST") || arguments.matches(0, "HOST:")
    }
}

/// What takes more than one command on one key. It is begun once everything earlier has been answered, and nothing
/// later begins before its end.
enum RESPTask {
    case count
    case scan(ScanRequest)
    case keys(RESPGlob)
    case randomKey
    case flush
    case cluster(ClusterQuestion)
}

/// What is told of the cluster.
enum ClusterQuestion {
    case slots, shards, nodes, info, myID
    /// How many replicas have what was acknowledged, beside the leader.
    case wait

    /// Whether it asks which node has which slots.
    var isMap: Bool {
        switch self {
        case .slots, .shards, .nodes: true
        case .info, .myID, .wait: false
        }
    }
}
