import ArgumentParser
import KVCore
import KVSimulator

@main
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs the product's replication under simulated faults and checks what its clients saw.",
        discussion: "Every run follows from its seed alone. Exits with 1 if a check failed in any run.")

    @Option(help: "How many seeds to run.")
    var seeds: UInt64 = 1000

    @Option(help: "The first of them.")
    var firstSeed: UInt64 = 1

    @Option(help: "Run this seed only.")
    var seed: UInt64?

    @Flag(help: "Print every event; with --seed.")
    var trace = false

    @Option(help: "Break a rule on purpose: \(Mutant.allCases.map(\.rawValue).joined(separator: ", ")).")
    var mutant: Mutant?

    @Flag(help: "Run a mutant's scenarios with the rule in force; with --mutant.")
    var whole = false

    @Option(
        help:
            "In each run one node falls ill: \(Sickness.allCases.map(\.rawValue).joined(separator: ", "))."
    )
    var sickness: Sickness?

    @Flag(help: "With --sickness: more members than exchange heartbeats in every turn.")
    var large = false

    @Option(
        help:
            """
            Writes are acknowledged before they are synced, and power is lost by: \
            \(PowerLoss.allCases.map(\.rawValue).joined(separator: ", ")).
            """
    )
    var power: PowerLoss?

    @Flag(help: "Thousands of keys, values of all sizes, and little room everywhere.")
    var cramped = false

    @Option(
        help:
            "Keep the records in: \(StoreKind.allCases.map(\.rawValue).joined(separator: ", ")). Default: by the seed.")
    var store: StoreKind?

    @Option(help: "Nodes have from one to so many shards. Default: by the seed.")
    var shards: Int?

    @Option(help: "Runs at a time. Default: one a processor.")
    var threads: Int?

    @Option(help: "Stop after so many failing seeds.")
    var failures = 5

    @Option(help: "Instead, simulate failure detectors only, in clusters of up to so many nodes, and print figures.")
    var gossip: Int?

    func validate() throws {
        guard (3...GossipScenario.maximumNodes).contains(gossip ?? 3) else {
            throw ValidationError("--gossip must be from 3 to \(GossipScenario.maximumNodes) nodes")
        }
        guard seeds > 0, firstSeed <= UInt64.max - seeds else {
            throw ValidationError("--seeds must be at least 1, and --first-seed plus --seeds below 2^64")
        }
        guard !trace || seed != nil else {
            throw ValidationError("--trace needs --seed: it prints every event of one run")
        }
        guard !whole || mutant != nil else {
            throw ValidationError("--whole needs --mutant: it runs that one's scenarios without it")
        }
        guard [sickness != nil, mutant != nil, power != nil, cramped].count(where: \.self) <= 1 else {
            throw ValidationError(
                "--sickness, --mutant, --power and --cramped are worlds of their own; give one of them")
        }
        guard (1...8).contains(shards ?? 1) else { throw ValidationError("--shards must be from 1 to 8") }
        guard threads ?? 1 > 0 else { throw ValidationError("--threads must be at least 1") }
        guard failures > 0 else { throw ValidationError("--failures must be at least 1") }
    }

    func run() async throws {
        if let gossip { return GossipCommand.run(upTo: gossip, seed: seed ?? firstSeed) }
        Assertions.nameSeeds()
        let failed: Int
        if let seed {
            let report = Self.run(
                seed, mutant: mutant, whole: whole, sickness: sickness, large: large, power: power,
                cramped: cramped, store: store, shards: shards, sink: trace ? { print($0) } : nil)
            Printer.printRun(report)
            if !report.violations.isEmpty { Printer.printFailure(report, command: command(replaying: seed)) }
            failed = report.violations.isEmpty ? 0 : 1
        } else {
            failed = await campaign()
        }
        guard failed == 0 else { throw ExitCode(1) }
    }

    static func run(
        _ seed: UInt64, mutant: Mutant?, whole: Bool, sickness: Sickness?, large: Bool, power: PowerLoss?,
        cramped: Bool, store: StoreKind?, shards: Int?, sink: ((String) -> Void)? = nil
    ) -> RunReport {
        var scenario =
            mutant.map { Scenario(seed: seed, hunting: $0) }
            ?? sickness.map { Scenario(seed: seed, sickness: $0, isLarge: large) }
            ?? power.map { Scenario(seed: seed, losingPower: $0) } ?? (cramped ? Scenario(cramped: seed) : nil)
            ?? Scenario(seed: seed)
        if let store { scenario.store = store }
        if let shards { scenario.shards = shards }
        Assertions.willRun(seed)
        return Simulation.run(seed: seed, scenario: scenario, mutant: whole ? nil : mutant, sink: sink)
    }

    private func command(replaying seed: UInt64) -> String {
        var command = "simulate --seed \(seed)"
        if let mutant { command += " --mutant \(mutant.rawValue)" }
        if whole { command += " --whole" }
        if let sickness { command += " --sickness \(sickness.rawValue)" }
        if large { command += " --large" }
        if let power { command += " --power \(power.rawValue)" }
        if cramped { command += " --cramped" }
        if let store { command += " --store \(store.rawValue)" }
        if let shards { command += " --shards \(shards)" }
        return command + " --trace"
    }

    /// Runs all seeds on all processors.
    /// - Returns: The number of seeds that have failed.
    private func campaign() async -> Int {
        var campaign = Campaign(total: seeds)
        let (mutant, whole, sickness, power, cramped, store) = (mutant, whole, sickness, power, cramped, store)
        let (large, shards) = (large, shards)
        await withTaskGroup(of: RunReport.self) { group in
            var next = firstSeed
            let end = firstSeed + seeds
            func add() {
                guard next < end, campaign.failed.count < failures else { return }
                let seed = next
                next += 1
                group.addTask {
                    Self.run(
                        seed, mutant: mutant, whole: whole, sickness: sickness, large: large, power: power,
                        cramped: cramped, store: store, shards: shards)
                }
            }
            for _ in 0..<(threads ?? Printer.processors) { add() }
            for await report in group {
                campaign.add(report)
                if !report.violations.isEmpty {
                    Printer.printFailure(report, command: command(replaying: report.seed))
                }
                add()
            }
        }
        Printer.printSummary(campaign)
        return campaign.failed.count
    }
}

extension Mutant: ExpressibleByArgument {}
extension StoreKind: ExpressibleByArgument {}
extension Sickness: ExpressibleByArgument {}
extension PowerLoss: ExpressibleByArgument {}
