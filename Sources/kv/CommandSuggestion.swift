import KVConfig

/// What was meant by a first word that is no command.
enum CommandSuggestion {
    /// What other stores and tools call it.
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

    private static let listings = ["ls", "list", "keys", "scan"]

    /// - Returns: what to do instead; nil where nothing is near.
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
