import ArgumentParser
import Foundation
import KVConfig
import XCTest

@testable import kv

/// The texts about commands: suggestions, manual pages, completions, and the manual of the configuration.
final class HelpTests: XCTestCase {
    func testWhatWasMeant() throws {
        for (line, advice) in [
            ("kv GET k", "unknown command 'GET': did you mean 'kv get'?"),
            ("kv set k v", "unknown command 'set': did you mean 'kv put'?"),
            ("kv delete k", "unknown command 'delete': did you mean 'kv del'?"),
            ("kv status", "unknown command 'status': did you mean 'kv ring'?"),
            ("kv sevre", "unknown command 'sevre': did you mean 'kv serve'?"),
            ("kv ls", "unknown command 'ls': keys are listed over HTTP, at /v1/kv?prefix=, or by 'redis-cli --scan'"),
            ("kv version", "unknown command 'version': did you mean 'kv --version'?"),
            ("kv config chek f", "unknown command 'kv config chek': did you mean 'kv config check'?"),
            ("kv config xyzzy", "unknown command 'kv config xyzzy'; there are check, show, reference"),
            (
                "kv get --stael k",
                "Unknown option '--stael'. Did you mean '--stale'? ('kv get --help' says what there is)"
            ),
            (
                "kv put k v --tll 3s",
                "Unknown option '--tll'. Did you mean '--ttl'? ('kv put --help' says what there is)"
            ),
        ] {
            let run = try bash(line)
            XCTAssertEqual(run.status, 64, line)
            XCTAssertEqual(run.errors, "kv: \(advice)\n", line)
        }
        let far = try bash("kv xyzzyplugh")
        XCTAssertTrue(far.errors.hasPrefix("kv: unknown command 'xyzzyplugh'; there are serve, join, "), far.errors)
        XCTAssertFalse(far.errors.contains("manual"), "what help does not list is not offered")
    }

    func testEverySynonymLeadsToACommand() {
        for word in ["write", "read", "rm", "start", "nodes", "benchmark", "validate", "completions", "drain"] {
            let advice = CommandSuggestion.advice(for: word, among: KV.names) ?? ""
            let command = advice.split(separator: "'").dropFirst().first.map { String($0.dropFirst("kv ".count)) }
            XCTAssertTrue(KV.names.contains(command ?? ""), "\(word): \(advice)")
        }
    }

    func testFlagsOfServeAreThoseOfTheTable() {
        let help = Serve.helpMessage(columns: 200)
        for setting in Settings.all {
            if let flag = setting.flag { XCTAssertTrue(help.contains("\(flag) ") || help.contains("\(flag)\n"), flag) }
            if setting.flag != nil, let variable = setting.variable { XCTAssertTrue(help.contains(variable), variable) }
        }
    }

    // MARK: Manual pages

    func testEachCommandHasItsPage() throws {
        let pages = ManualPage.all(try CommandInfo.read(), version: "1.2.3")
        XCTAssertEqual(pages.map(\.name), ["kv.1"] + KV.names.map { "kv-\($0).1" })
        for (name, text) in pages {
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
                XCTAssertTrue(text.contains(".SH \(section)\n"), "\(name) lacks \(section)")
            }
            // A line of text that begins with a dot or a quote would be read as a macro.
            for line in text.split(separator: "\n") where line.hasPrefix("'") { XCTFail("\(name): \(line)") }
        }
        let get = try XCTUnwrap(pages.first { $0.name == "kv-get.1" }?.text)
        XCTAssertTrue(get.contains("\\fB\\-\\-stale\\fR"), get)
        XCTAssertTrue(get.contains(".B KV_ENDPOINT\nThe same as \\-\\-endpoint"), get)
        XCTAssertTrue(get.contains("\\fBkv get\\fR [\\fIoptions\\fR] \\fIKEY\\fR"), get)
        let config = try XCTUnwrap(pages.first { $0.name == "kv-config.1" }?.text)
        XCTAssertTrue(config.contains(".SS kv config reference"), config)
    }

    func testExamplesAreCommandsThatTheParserTakes() throws {
        XCTAssertEqual(Set(CommandExamples.all.keys), Set(KV.names + ["kv"]))
        for example in CommandExamples.all.values.joined() {
            let words = example.command.split(separator: " ").map(String.init)
            XCTAssertEqual(words[0], "kv")
            // `join` and `leave` would ask the user, and there is no terminal here.
            let isPlan = ["join", "leave"].contains(words[1]) && !words.contains("--dry-run")
            let arguments = Array(words.dropFirst()) + (isPlan && !words.contains("--yes") ? ["--yes"] : [])
            XCTAssertNoThrow(try KV.parseAsRoot(arguments), example.command)
            XCTAssertTrue(example.meaning.hasSuffix("."), example.meaning)
        }
    }

    func testManualWritesThePagesOrSaysWhyNot() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("kv-man-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        XCTAssertEqual(try bash("kv manual \(directory.path)").status, 0)
        let written = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        XCTAssertEqual(Set(written), Set(["kv.1", "cluster.yaml.5"] + KV.names.map { "kv-\($0).1" }))
        let nowhere = try bash("kv manual /nowhere")
        XCTAssertEqual(nowhere.status, 65)
        XCTAssertTrue(nowhere.errors.hasPrefix("kv: '/nowhere/kv.1' cannot be written: "), nowhere.errors)
    }

    // MARK: Completions

    func testCompletionScriptsAreOnesThatTheirShellsRead() throws {
        for shell in ["bash", "zsh", "fish"] {
            let run = try bash("kv completion \(shell)")
            XCTAssertEqual(run.status, 0, run.errors)
            for name in KV.names { XCTAssertTrue(run.output.contains(name), "\(shell): \(name)") }
        }
        XCTAssertEqual(try bash("bash -n <(kv completion bash)").status, 0)
        let unknown = try bash("kv completion tcsh")
        XCTAssertEqual(unknown.status, 64)
        XCTAssertTrue(unknown.errors.contains("bash") && unknown.errors.contains("fish"), unknown.errors)
    }

    // MARK: The configuration

    func testConfigCheck() throws {
        let valid = try bash("kv config check <(kv config reference --format example) --node n2")
        XCTAssertEqual(valid.status, 0, valid.errors)
        XCTAssertTrue(
            valid.output.hasSuffix(
                ": valid: the cluster \"demo\" of 3 nodes (n1, n2, n3), 1024 partitions of 3 replicas\n"), valid.output)
        let wrong = try bash("kv config check <(printf 'cluster: {name: a, replicas: 0}\\nlgo: {}\\n')")
        XCTAssertEqual(wrong.status, 65)
        let lines = wrong.errors.split(separator: "\n").map { String($0.drop { $0 != ":" }.dropFirst(2)) }
        XCTAssertEqual(lines.count, 2, wrong.errors)
        XCTAssertTrue(wrong.errors.contains(":1:30: cluster.replicas must be a whole number from 1 to 9"), wrong.errors)
        XCTAssertTrue(wrong.errors.contains(":2:1: unknown key \"lgo\": did you mean \"log\"?"), wrong.errors)
        let who = try bash("kv config check <(kv config reference --format example) --node N9")
        XCTAssertEqual(who.status, 64)
    }

    func testConfigShow() throws {
        let run = try bash(
            "kv config show --node me --log-level debug", ["KV_LIMITS_VALUE": "2MiB", "KV_SECRET": "0123456789abcdef"])
        XCTAssertEqual(run.status, 0, run.errors)
        let rows = run.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        XCTAssertEqual(rows.first, ["KEY", "VALUE", "FROM"])
        XCTAssertTrue(rows.contains(["node", "me", "--node"]), run.output)
        XCTAssertTrue(rows.contains(["limits.value", "2MiB", "KV_LIMITS_VALUE"]), run.output)
        XCTAssertTrue(rows.contains(["log.level", "debug", "--log-level"]), run.output)
        XCTAssertTrue(rows.contains(["storage.sync", "always", "default"]), run.output)
        XCTAssertFalse(run.output.contains("0123456789abcdef"), "a secret is not shown")
        let json = try bash("kv config show -o json")
        let values = try JSONDecoder().decode([[String: String]].self, from: Data(json.output.utf8))
        XCTAssertTrue(values.contains(["key": "storage.sync", "value": "always", "from": "default"]), json.output)
    }

    func testConfigReferenceHasItsForms() throws {
        for (format, words) in [
            ("text", "storage.sync_interval"), ("yaml", "# How often the disk is synced"),
            ("example", "  sync_interval: 100ms"),
            ("markdown", "| `storage.sync_interval` |"), ("man", ".B storage.sync_interval"),
        ] {
            let run = try bash("kv config reference --format \(format)")
            XCTAssertEqual(run.status, 0, run.errors)
            XCTAssertTrue(run.output.contains(words), format)
        }
        XCTAssertTrue(
            try bash("kv config reference --format yaml --data-dir /srv").output.contains("\ndata_dir: /srv\n"))
        XCTAssertEqual(try bash("kv config reference --data-dir /srv").status, 64)
    }
}
