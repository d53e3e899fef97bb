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
    private static let transaction: [RespCommand] = [
        refused("multi") { session throws(RespFailure) in
            session.refuseTransaction(true)
            throw RespFailure("ERR 'multi' is not supported: \(transactions)")
        },
        refused("exec") { session throws(RespFailure) in
            guard session.isTransactionRefused else { throw RespFailure("ERR EXEC without MULTI") }
            session.refuseTransaction(false)
            throw RespFailure("EXECABORT Transaction discarded because of previous errors.")
        },
        refused("discard") { session throws(RespFailure) in
            guard session.isTransactionRefused else { throw RespFailure("ERR DISCARD without MULTI") }
            session.refuseTransaction(false)
            return .answer(.ok)
        },
    ]

    private static func refused(
        _ name: String, _ run: @escaping @Sendable (inout RespSession) throws(RespFailure) -> RespDecision
    ) -> RespCommand {
        RespCommand(name, 1, [], .none, .generic, since: "", "") { _, session throws(RespFailure) in try run(&session) }
    }

    /// Those that are carried out all the same.
    static func endsTransaction(_ command: RespCommand) -> Bool {
        ["exec", "discard", "multi", "reset", "quit"].contains(command.name)
    }

    static let all: [RespCommand] =
        transaction
        + reasons.flatMap { reason, names in
            names.map { name in
                RespCommand(name, -1, [], .none, .generic, since: "", "") { _, _ throws(RespFailure) in
                    throw RespFailure("ERR '\(name)' is not supported: \(reason)")
                }
            }
        }
}

extension RespCommand {
    /// Whether it does anything.
    var isOffered: Bool { !since.isEmpty }
}
