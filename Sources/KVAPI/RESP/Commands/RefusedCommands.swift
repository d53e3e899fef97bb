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
        transactions: ["multi", "exec", "discard", "watch", "unwatch"],
        scripts: ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro", "script", "function"],
    ]

    static let all: [RespCommand] = reasons.flatMap { reason, names in
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
