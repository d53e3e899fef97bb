import KVWire

/// Commands that are known to be missed, and say why they are not there. `COMMAND` does not list them.
enum RefusedCommands {
    private static let severalKeys = "it acts on several keys at once, and here every key is a register of its own"
    private static let transactions =
        "a transaction acts on several keys at once, and here every key is a register of its own; commands on one key "
        + "are atomic (SET NX, SET IFEQ, INCR)"
    private static let scripts = "there are no scripts: they act on several keys at once"

    private static let reasons: KeyValuePairs<String, [String]> = [
        severalKeys: ["msetnx", "rename", "renamenx", "copy", "lcs", "bitop"],
        transactions: ["watch", "unwatch"],
        scripts: ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro", "script", "function"],
    ]

    /// Clients that do not look at what `MULTI` was answered with send the commands of the transaction all the same,
    /// and `EXEC`.
    private static let transaction: [RESPCommand] = [
        refused("multi") { session throws(RESPFailure) in
            session.refuseTransaction(true)
            throw RESPFailure("ERR 'multi' is not supported: \(transactions)")
        },
        refused("exec") { session throws(RESPFailure) in
            guard session.isTransactionRefused else { throw RESPFailure("ERR EXEC without MULTI") }
            session.refuseTransaction(false)
            throw RESPFailure("EXECABORT Transaction discarded because of previous errors.")
        },
        refused("discard") { session throws(RESPFailure) in
            guard session.isTransactionRefused else { throw RESPFailure("ERR DISCARD without MULTI") }
            session.refuseTransaction(false)
            return .answer(.ok)
        },
    ]

    private static func refused(
        _ name: String, _ run: @escaping @Sendable (inout RESPSession) throws(RESPFailure) -> RESPDecision
    ) -> RESPCommand {
        RESPCommand(name, 1, [], .none, .generic, since: "", "") { _, session throws(RESPFailure) in try run(&session) }
    }

    /// Whether this command is carried out although the transaction that it is in was refused.
    static func endsTransaction(_ command: RESPCommand) -> Bool {
        ["exec", "discard", "multi", "reset", "quit"].contains(command.name)
    }

    static let all: [RESPCommand] =
        transaction
        + reasons.flatMap { reason, names in
            names.map { name in
                RESPCommand(name, -1, [], .none, .generic, since: "", "") { _, _ throws(RESPFailure) in
                    throw RESPFailure("ERR '\(name)' is not supported: \(reason)")
                }
            }
        }
}

extension RESPCommand {
    /// Whether the command is supported, and so listed.
    var isOffered: Bool { !since.isEmpty }
}
