import Foundation
import KVCore
import XCTest

/// Runs Redis's own programs, and the scripts of `Tests/redis` that use them.
enum RedisTools {
    static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("redis")

    /// - Throws: `XCTSkip` if a program is missing.
    static func require(_ programs: String...) throws {
        for program in programs where path(of: program) == nil {
            throw XCTSkip("there is no \(program) here. Debian: apt-get install redis-server redis-tools python3")
        }
    }

    /// The Python interpreters that have the package `redis`: the first one on the PATH, and the system's.
    static func pythons() throws -> [String] {
        let candidates = Set(["python3", "/usr/bin/python3"].compactMap { path(of: $0) }).sorted()
        let found = candidates.filter { (try? run([$0, "-c", "import redis"], limit: 20).end) == .exited(0) }
        guard !found.isEmpty else {
            throw XCTSkip("Python's package 'redis' is missing. Debian: apt-get install python3-redis")
        }
        return found
    }

    static func path(of program: String) -> String? {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":").map(String.init) ?? []
        let candidates = program.hasPrefix("/") ? [program] : folders.map { "\($0)/\(program)" }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    struct Result {
        let end: ChildProcess.End
        /// Standard output and standard error, in the order in which they were written.
        let output: String
    }

    /// Starts a program that runs while the test goes on.
    /// - Returns: A closure that waits up to `limit` seconds for the program's end.
    static func begin(_ command: [String], limit: Double) throws -> () throws -> Result {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("kv-redis-\(UUID().uuidString)")
        let process = try ChildProcess(
            command.map { Array($0.utf8) }, directory: scripts.path, output: file.path, errors: file.path)
        return {
            defer { try? FileManager.default.removeItem(at: file) }
            let end = Swift.Result { try process.wait(limit: limit) }
            let output = (try? String(decoding: Data(contentsOf: file), as: UTF8.self)) ?? ""
            guard let end = try? end.get() else { throw Unexpected("\(command) took over \(limit) s: \(output)") }
            return Result(end: end, output: output)
        }
    }

    static func run(_ command: [String], limit: Double) throws -> Result { try begin(command, limit: limit)() }

    /// Runs a script, checks that it succeeds, and prints its last line, which says what it did.
    static func pass(_ command: String..., limit: Double = 120) throws {
        assertPassed(command, try run(command, limit: limit))
    }

    static func assertPassed(_ command: [String], _ result: Result) {
        XCTAssertEqual(result.end, .exited(0), "\(command.joined(separator: " "))\n\(result.output)")
        print(result.output.split(separator: "\n").last ?? "")
    }
}

/// A Redis that a test starts for comparison.
final class RedisServer {
    let address: Address
    let isCluster: Bool
    private let directory: URL
    private let process: ChildProcess

    /// - Parameter isCluster: True for a Redis in cluster mode that has all slots.
    init(isCluster: Bool) throws {
        self.isCluster = isCluster
        try RedisTools.require("redis-server", "redis-cli", "python3")
        let ports = try TestCluster.freePorts(2)
        address = Address(host: "127.0.0.1", port: ports[0])
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("kv-redis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var command = [
            "redis-server", "--bind", "127.0.0.1", "--port", "\(ports[0])", "--save", "", "--appendonly", "no",
        ]
        // The same limit of values as kv's.
        command += ["--proto-max-bulk-len", "1mb"]
        if isCluster { command += ["--cluster-enabled", "yes", "--cluster-port", "\(ports[1])"] }
        let log = directory.appendingPathComponent("log").path
        process = try ChildProcess(
            command.map { Array($0.utf8) }, directory: directory.path, output: log, errors: log)
        try wait { try cli("ping") == "PONG" }
        if isCluster {
            XCTAssertEqual(try cli("cluster", "addslotsrange", "0", "16383"), "OK")
            try wait { try cli("cluster", "info").contains("cluster_state:ok") }
        }
    }

    deinit {
        process.killNow()
        try? FileManager.default.removeItem(at: directory)
    }

    private func cli(_ arguments: String...) throws -> String {
        try RedisTools.run(["redis-cli", "-p", "\(address.port)"] + arguments, limit: 10).output
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func wait(_ condition: () throws -> Bool) throws {
        let end = Time.now + 20
        while try !condition() {
            let log = try? String(contentsOf: directory.appendingPathComponent("log"), encoding: .utf8)
            guard Time.now < end, process.poll() == nil else { throw Unexpected("no Redis: \(log ?? "")") }
            usleep(50_000)
        }
    }
}
