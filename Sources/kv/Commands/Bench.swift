import ArgumentParser
import KVBench
import KVClient
import KVCore

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Put a cluster, or a Redis, under load and measure it.",
        discussion: """
            Writes keys user000000000000 and up, then runs a workload against them: one of YCSB's, or reads and updates \
            in a ratio. It overwrites such keys and leaves them there.

            YCSB's workloads: a, half reads and half updates; b, 5% updates; c, reads only; d, reads of the newest keys \
            and 5% insertions; e, scans of 1 to 100 keys and 5% insertions; f, half reads and half read-modify-writes.

            Each client begins its next operation when one ends, unless --rate says how many begin each second: then \
            latencies count from when each was to begin, whether or not it could.

            Ctrl-C ends the run and shows what there is. Exits 69 if no node can be reached or nothing was done.
            """)

    @OptionGroup var load: LoadOptions

    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: ArgumentHelp("table, json or csv.", valueName: "format"))
    var output = BenchFormat.table

    @Option(
        help: ArgumentHelp(
            """
            Also write the latencies' distribution here, in the text that HdrHistogram's plotters read, in milliseconds: \
            of all operations, and where there are several kinds, of each beside it.
            """, valueName: "file"))
    var histogram: RawArgument?

    @OptionGroup var options: ClientOptions

    func validate() throws { try load.check() }

    func run() async throws {
        let options = try load.benchOptions(endpoints: options.endpoints(), timeout: options.span())
        let interrupt = Interrupt()
        defer { interrupt.cancel() }
        do {
            let bench = try await LoadGenerator.connect(options)
            interrupt.onInterrupt { bench.stop() }
            let display = LiveLine()
            let result: BenchResult
            do {
                result = try await bench.run(onProgress: display.listener)
            } catch {
                display.clear()
                await bench.close()
                throw error
            }
            display.clear()
            await bench.close()
            try write(result)
        } catch let error as BenchError {
            switch error {
            case .unreachable(let reasons):
                throw Failure(
                    .unavailable,
                    "no node could be asked: \(reasons); start one with 'kv serve', or name another with --endpoint")
            case .nothingDone(let reason): throw Failure(.unavailable, reason)
            case .unsupported(let reason): throw Failure(.usage, reason)
            }
        }
    }

    private func write(_ result: BenchResult) throws {
        let report = BenchReport(result)
        switch output {
        case .table: try Output.write(BenchTable.lines(report).map { $0 + "\n" }.joined())
        case .json: try Output.write(try JSONOutput.text(report))
        case .csv: try Output.write(report.csv)
        }
        if let histogram, result.hasRun { try HistogramFile.write(result, to: histogram) }
    }
}

enum BenchFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, csv
}
