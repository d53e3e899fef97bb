import ArgumentParser
import Foundation
import KVScaleSimulator

@main
struct SimulateScale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate-scale",
        abstract: "Counts what a node of a large cluster sends, receives and does, in virtual time.",
        discussion: """
            The nodes' decisions are the product's, the network and the disks are not: a message takes a millisecond, \
            none is lost, and there are no clients. Everything but the processor time follows from the seed. Exits \
            with 1 if a cluster did not come to rest.
            """)

    @Option(parsing: .upToNextOption, help: "Numbers of nodes, each a cluster of its own.")
    var nodes: [Int] = [10, 30, 100, 300, 1000]

    @Option(help: "Partitions of each: a power of two, up to 16384.")
    var partitions = 16384

    @Option(
        parsing: .upToNextOption,
        help: "What is counted: \(ScalePhase.allCases.map(\.rawValue).joined(separator: ", ")).")
    var scenario: [ScalePhase] = ScalePhase.allCases

    @Option(help: "How many nodes are restarted, one after the other.")
    var restarts = 5

    @Option(help: "How many seconds of idleness are counted.")
    var idle = 30

    @Option(help: "Records of each partition, of 100 bytes.")
    var records = 1

    @Option(help: "The seed.")
    var seed: UInt64 = 1

    func validate() throws {
        guard nodes.allSatisfy((3...ScaleScenario.maximumNodes).contains), !nodes.isEmpty else {
            throw ValidationError("--nodes must be from 3 to \(ScaleScenario.maximumNodes)")
        }
        guard (1...16384).contains(partitions), partitions & (partitions - 1) == 0 else {
            throw ValidationError("--partitions must be a power of two up to 16384")
        }
        guard restarts > 0, idle > 0, records >= 0 else {
            throw ValidationError("--restarts and --idle must be at least 1, --records at least 0")
        }
    }

    func run() throws {
        var all: [ScaleFigures] = []
        for count in nodes { all += try measure(count) }
        if nodes.count > 1 { ScaleTables.printGrowth(all) }
        guard all.allSatisfy(\.isComplete) else { throw ExitCode(1) }
    }

    private func measure(_ count: Int) throws -> [ScaleFigures] {
        var parameters = ScaleScenario(nodes: count, partitions: partitions, seed: seed)
        parameters.records = records
        let clock = ContinuousClock()
        let began = clock.now
        let world = ScaleWorld(parameters)
        guard world.settle() else {
            print("\(count) nodes do not come to rest: \(world.unrest ?? "")")
            throw ExitCode(1)
        }
        print(
            "\(count) nodes, \(partitions) partitions: at rest \(world.time / 1000) s after the start", terminator: "")
        print(" (\(clock.now - began) here)")
        return scenario.map { phase in
            let figures = world.measure(phase, repetitions: phase == .idle ? idle : restarts)
            ScaleTables.print(figures)
            if !figures.isComplete { print("NOT at rest: \(world.unrest ?? "")") }
            fflush(nil)
            // The next phase begins at rest as well.
            if phase != .idle { _ = world.settle() }
            return figures
        }
    }
}

extension ScalePhase: ExpressibleByArgument {}
