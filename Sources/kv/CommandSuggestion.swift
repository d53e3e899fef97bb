import KVConfig

/// Suggests the command or option that was meant by an unknown one.
enum CommandSuggestion {
    /// What other stores and tools call each command.
    private static let synonyms: [String: [String]] = [
        "put": ["set", "write", "store", "insert", "save"],
        "get": ["read", "fetch", "cat", "show"],
        "del": ["delete", "remove", "rm", "unset", "erase", "unlink"],
        "serve": ["start", "run", "server", "node", "daemon"],
        "ring": ["status", "nodes", "members", "member", "info", "cluster", "topology"],
        "bench": ["benchmark", "load", "test"],
        "config": ["configuration", "configure", "settings", "validate"],
        "completion": ["completions", "complete"],
        "leave": ["decommission", "drain"],
        "recover": ["restore", "repair", "rescue", "reset"],
    ]

    /// What other tools call each option, by command.
    private static let options: [String: [String: [String]]] = [
        "bench": [
            "--duration": ["--time", "--seconds", "--runtime", "-t", "-d"],
            "--operations": ["--requests", "--ops", "-n"], "--clients": ["--connections", "-c"],
            "--value-size": ["--size", "--data-size"], "--keys": ["--keyspace", "--records"],
        ],
        "put": ["--ttl": ["--expire", "--expiry", "--ex"]],
        "serve": ["--seed": ["--seeds", "--peers"], "--data-dir": ["--data", "--dir", "--directory"]],
    ]

    /// Returns a message about the first option that only other tools have, with the option that was meant; nil if
    /// there is none.
    static func advice(forOptionsOf arguments: [String]) -> String? {
        guard let command = arguments.first, let known = options[command] else { return nil }
        for argument in arguments.dropFirst() {
            if argument == "--" { return nil }
            let name = argument.prefix { $0 != "=" }
            guard let meant = known.first(where: { $0.value.contains(String(name)) })?.key else { continue }
            return "unknown option '\(name)': did you mean '\(meant)'?"
        }
        return nil
    }

    private static let listings = ["ls", "list", "keys", "scan"]

    /// - Returns: what to do instead; nil if no command is similar.
    static func advice(for word: String, among names: [String]) -> String? {
        let word = word.lowercased()
        if listings.contains(word) {
            return "keys are listed over HTTP, at /v1/kv?prefix=, or by 'redis-cli --scan'"
        }
        if word == "version" { return "did you mean 'kv --version'?" }
        let meant = synonyms.first { $0.value.contains(word) }?.key ?? nearest(to: word, in: names)
        return meant.map { "did you mean 'kv \($0)'?" }
    }
}
