// Puts an ensemble of ZooKeeper under load, as kv bench does kv: each connection sends its next operation when the last
// one is answered, for keys that are chosen uniformly. What ends in the warm-up does not count.
//
//   zkload create PORT,... KEYS BYTES CONNECTIONS                      makes the keys, 8 under way on each connection
//   zkload get|set PORT,... KEYS BYTES CONNECTIONS SECONDS WARM-UP     all on 127.0.0.1
//
// Prints JSON: operations a second, and percentiles in milliseconds. An operation that fails ends it, with 1.

import Glibc
import NIOPosix

/// What went wrong, for the user.
struct Failure: Error, CustomStringConvertible { let description: String }

struct Options: Sendable {
    /// The requests of an operation, in one pipeline. ZooKeeper's reads may be stale unless a sync precedes them.
    private static let operations: [String: [RequestType]] =
        ["create": [.create], "get": [.sync, .getData], "set": [.setData]]

    let requests: [RequestType]
    let value: [UInt8]
    let ports: [Int], keys, connections, seconds, warmUp: Int

    var isLoading: Bool { requests == [.create] }

    /// Nil if the arguments are not those of the usage.
    init?(_ words: [String]) {
        guard let name = words.first, let requests = Self.operations[name], words.count == (name == "create" ? 5 : 7)
        else { return nil }
        ports = words[1].split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        let numbers = words[2...].map { Int($0) ?? -1 } + [1, 0]
        let limits = [1...1_000_000_000, 1...1_000_000, 1...1000, 1...3600, 0...3600]
        guard ports.allSatisfy({ 1...65_535 ~= $0 }), zip(limits, numbers).allSatisfy({ $0 ~= $1 }) else { return nil }
        self.requests = requests
        value = [UInt8](repeating: UInt8(ascii: "v"), count: numbers[1])
        (keys, connections, seconds, warmUp) = (numbers[0], numbers[2], numbers[3], numbers[4])
    }
}

private func fail(_ message: String, code: Int32) -> Never {
    let line = Array("zkload: \(message)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(code)
}

guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
    fail("usage: zkload create|get|set PORT,... KEYS BYTES CONNECTIONS [SECONDS WARM-UP]", code: 64)
}
let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
do {
    print(try await Load.run(options, on: group.next()))
} catch {
    fail("\(error)", code: 1)
}
