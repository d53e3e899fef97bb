/// Examples for the manual pages, by command. A test parses each of them.
enum CommandExamples {
    struct Example: Sendable {
        var command: String
        var meaning: String
    }

    static let all: [String: [Example]] = [
        "kv": [
            Example(command: "kv serve", meaning: "Run a cluster of one on 127.0.0.1:7400."),
            Example(command: "kv put greeting hello", meaning: "Set a key there."),
            Example(command: "kv get greeting", meaning: "And read it."),
        ],
        "serve": [
            Example(command: "kv serve", meaning: "A cluster of one, with its data in ./kv-data."),
            Example(
                command: "kv serve --config /etc/kv/cluster.yaml --node n1",
                meaning: "One of the nodes that the file lists."),
            Example(
                command: "kv serve --node n4 --seed 10.0.0.1:7500 --client 10.0.0.4:7400 --peer 10.0.0.4:7500",
                meaning: "A node that waits to be admitted to the cluster of the node at 10.0.0.1."),
        ],
        "join": [
            Example(command: "kv join n4", meaning: "Admit n4, which waits, and see it through."),
            Example(command: "kv join n4 n5 --dry-run", meaning: "Only show what that would copy."),
            Example(command: "kv join n7 --replace n3", meaning: "Give n7 the place of n3, which is dead."),
        ],
        "leave": [
            Example(command: "kv leave n4", meaning: "Drain n4 and remove it."),
            Example(command: "kv leave n3 --force --yes", meaning: "Remove n3, which is dead, without asking."),
        ],
        "recover": [
            Example(
                command: "kv recover --lost n2,n3 --data-dir /var/lib/kv/n1",
                meaning: "Show what would be lost with n2 and n3, from what n1 holds."),
            Example(
                command: "kv recover --lost n2,n3 --config /etc/kv/cluster.yaml --node n1 --yes",
                meaning: "And go on without them."),
        ],
        "get": [
            Example(command: "kv get greeting", meaning: "Write the value to standard output."),
            Example(
                command: "kv get --endpoint 10.0.0.1:7400,10.0.0.2:7400 greeting",
                meaning: "Ask the second node where the first does not answer."),
        ],
        "put": [
            Example(command: "kv put greeting hello", meaning: "Set a key."),
            Example(command: "kv put report --file report.pdf --ttl 7d", meaning: "To a file's content, for a week."),
            Example(command: "kv put lock mine --if-absent --ttl 30s", meaning: "Only if nobody else has."),
        ],
        "del": [
            Example(command: "kv del greeting report", meaning: "Delete two keys."),
            Example(command: "kv del lock --if-version 3.1.42", meaning: "Only if it is still at that version."),
        ],
        "ring": [
            Example(command: "kv ring", meaning: "The nodes, and what they hold."),
            Example(command: "kv ring --watch", meaning: "The same, again every second."),
            Example(command: "kv ring greeting", meaning: "Where a key lives."),
            Example(
                command: "kv ring --load --over 5s", meaning: "What each shard serves, and the busiest partitions."),
            Example(command: "kv ring --split 2048 --dry-run", meaning: "Show what splitting partitions would do."),
            Example(command: "kv ring --split 2048", meaning: "Split them until there are 2048, and see it through."),
        ],
        "bench": [
            Example(command: "kv bench --workload b --duration 30s", meaning: "YCSB's workload B for half a minute."),
            Example(
                command: "kv bench --protocol resp --endpoint 127.0.0.1:6379 --read-ratio 0.9 --rate 20000",
                meaning: "A Redis, under 20,000 operations a second."),
        ],
        "config": [
            Example(command: "kv config check /etc/kv/cluster.yaml", meaning: "Before a node reads it."),
            Example(
                command: "kv config show --config /etc/kv/cluster.yaml --node n1",
                meaning: "What n1 runs with, and where each value comes from."),
            Example(command: "kv config reference", meaning: "The manual of all settings."),
        ],
        "completion": [
            Example(command: "kv completion bash", meaning: "The script that completes kv's commands in bash.")
        ],
    ]
}
