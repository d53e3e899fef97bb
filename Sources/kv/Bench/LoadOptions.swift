import ArgumentParser
import KVBench
import KVConfig
import KVCore

extension BenchOptions.Transport: ExpressibleByArgument {}
extension BenchOptions.Loading: ExpressibleByArgument {}
extension Distribution: ExpressibleByArgument {}

/// The options of `kv bench` that say which load it makes.
struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("YCSB's: a, b, c, d, e or f (default: a).", valueName: "letter"))
    var workload: String?

    @Option(help: ArgumentHelp("Instead of a workload: this share of reads, 0 to 1; the rest are updates."))
    var readRatio: Double?

    @Option(
        name: .customLong("protocol"),
        help: ArgumentHelp(
            "kv: the client library; http; resp: Redis's, which also drives a Redis.", valueName: "kv|http|resp"))
    var transport = BenchOptions.Transport.kv

    @Option(help: "Connections; with the library, tasks.")
    var clients = 50

    @Option(help: "Operations of each client that are under way at a time.")
    var pipeline = 1

    @Option(
        help: ArgumentHelp(
            "Begin this many operations per second, evenly spaced, instead of one when another ends.",
            valueName: "per-second"))
    var rate: Double?

    @Option(help: ArgumentHelp("How long to measure, such as 10s or 5m.", valueName: "time"))
    var duration = "10s"

    @Option(help: ArgumentHelp("How long to run before operations are counted.", valueName: "time"))
    var warmup = "0s"

    @Option(help: ArgumentHelp("End after this many operations, if that is sooner.", valueName: "count"))
    var operations: Int?

    @Option(help: "The number of keys at the beginning.")
    var keys = 100_000

    @Option(help: ArgumentHelp("Bytes of each value, such as 100 or 4KiB.", valueName: "size"))
    var valueSize = "100"

    @Option(
        help: ArgumentHelp(
            "Which keys are asked for (default: the workload's; with --read-ratio, uniform).",
            valueName: "uniform|zipfian|latest"))
    var distribution: Distribution?

    @Option(
        help: ArgumentHelp(
            "Whether to write the keys first: yes; no, they exist; only, without measuring.", valueName: "yes|no|only"))
    var load = BenchOptions.Loading.yes

    @Option(help: "Event loops of the generator.")
    var threads = 1

    @Option(help: "The seed of the random choices: the same seed gives the same operations.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            "With resp: a write is done when this many replicas of a Redis have it (WAIT).", valueName: "replicas"))
    var wait = 0

    @Flag(help: "Spread requests over the endpoints, instead of sending each to the leader of its key.")
    var anyNode = false

    /// - Throws: `ValidationError`
    func check() throws {
        if workload != nil && readRatio != nil {
            throw ValidationError("give either --workload or --read-ratio, not both")
        }
        if let workload, WorkloadMix(ycsb: workload) == nil {
            throw ValidationError("--workload is a, b, c, d, e or f, not '\(workload)'")
        }
        if let readRatio, !(0...1).contains(readRatio) {
            throw ValidationError("--read-ratio is a number from 0 to 1, not \(readRatio)")
        }
        if let rate, !(0.001...10_000_000).contains(rate) {
            throw ValidationError("--rate is a number from 0.001 to 10000000, not \(rate)")
        }
        try check("--clients", clients, 1...10_000)
        try check("--pipeline", pipeline, 1...10_000)
        try check("--threads", threads, 1...256)
        try check("--keys", keys, 1...1_000_000_000)
        try check("--wait", wait, 0...100)
        if let operations { try check("--operations", operations, 1...Int.max) }
        if threads > clients { throw ValidationError("--threads may not be more than --clients") }
        if wait > 0 && transport != .resp { throw ValidationError("--wait needs --protocol resp") }
        if threads > 1 && transport == .kv {
            throw ValidationError("--threads needs --protocol http or resp: the client library has its own")
        }
        if mix.share(of: .scan) > 0 && transport == .kv {
            throw ValidationError("workload e scans, which needs --protocol http or resp")
        }
        _ = try (length("--duration", duration, from: 1), length("--warmup", warmup, from: 0), bytes())
    }

    private func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name) is a number from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
    }

    private func length(_ name: String, _ text: String, from least: UInt64) throws -> Nanoseconds {
        let most = Nanoseconds.milliseconds(7 * 86_400_000)
        guard let span = try? Nanoseconds(notation: text), span.milliseconds >= least, span <= most else {
            throw ValidationError("\(name): '\(text)' is not a length of time up to \(most.notation), such as 30s")
        }
        return span
    }

    private func bytes() throws -> Int {
        guard let bytes = try? ByteSize.parse(valueSize), 0...ClusterFile.Limits.maximumValue ~= bytes else {
            let most = ByteSize.notation(ClusterFile.Limits.maximumValue)
            throw ValidationError("--value-size: '\(valueSize)' is not a size up to \(most), such as 100 or 4KiB")
        }
        return bytes
    }

    private var mix: WorkloadMix {
        if let readRatio { return WorkloadMix(readRatio: readRatio) }
        return WorkloadMix(ycsb: workload ?? "a") ?? WorkloadMix(readRatio: 0.5)
    }

    func benchOptions(endpoints: [Address], timeout: Nanoseconds) throws -> BenchOptions {
        var options = BenchOptions(endpoints: endpoints, timeout: timeout)
        options.transport = transport
        options.mix = mix
        options.distribution = distribution
        options.keys = keys
        options.valueSize = try bytes()
        options.loading = load
        options.clients = clients
        options.pipeline = pipeline
        options.rate = rate
        options.warmup = try length("--warmup", warmup, from: 0)
        options.duration = try length("--duration", duration, from: 1)
        options.operations = operations
        options.threads = threads
        options.seed = seed
        options.wait = wait
        options.isRouted = !anyNode
        return options
    }
}
