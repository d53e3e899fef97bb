import XCTest

@testable import KVConfig

/// Whatever the bytes, the reader returns: a file, or problems that point into it.
final class ConfigurationFuzzTests: XCTestCase {
    private let valid = """
        cluster: {name: demo, partitions: 1024, replicas: 3}
        nodes:
          - id: n1
            client: 127.0.0.1:7401
            peer: "[::1]:7501"
            advertise_client: null
            zone: 'a'
            weight: 2
          - {id: n2, client: "b:7402", peer: "b:7502"}
        seeds: [c:7501, "[::1]:7503"]
        data_dir: ./kv-data   # relative
        storage: {sync: always, sync_interval: 100ms, cache: 256MiB, segment: 256MiB, scrub: 4MiB, shards: 0}
        failure: {probe_interval: 1s, evict_after: 10m}
        limits: {key: 4KiB, value: 1MiB, connections: 10000, in_flight: 64MiB, replies: 256MiB, move_rate: 0}
        security: {secret: 0123456789abcdef}
        redis: {moved: false, replicas: true, keyspace: cluster}
        log: {level: info, format: text}
        """

    func testMutationsOfAValidFile() throws {
        var random = SplitMix(state: 7)
        var accepted = 0
        for _ in 0..<5000 {
            let bytes = mutated(Array(valid.utf8), &random)
            do {
                _ = try ClusterFile.parse(bytes, name: "f")
                accepted += 1
            } catch {
                check(error, bytes)
            }
        }
        XCTAssertTrue((1..<5000).contains(accepted), "\(accepted) accepted")
    }

    func testGarbage() throws {
        var random = SplitMix(state: 7)
        let alphabet =
            Array("{}[]:,-?!&*|>'\"%@`#~ \t\n\r\\ax0\0\u{85}\u{2028}é".utf8) + [0x80, 0xC0, 0xED, 0xF5, 0xFF]
        for _ in 0..<5000 {
            let count = Int.random(in: 0..<60, using: &random)
            let bytes = (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
            do {
                _ = try ClusterFile.parse(bytes, name: "f")
                XCTFail("accepted without a name")
            } catch {
                check(error, bytes)
            }
        }
    }

    private func check(_ error: ConfigurationError, _ bytes: [UInt8]) {
        XCTAssertFalse(error.problems.isEmpty)
        for problem in error.problems {
            guard case .position("f", let line, let column) = problem.place else {
                return XCTFail("\(problem)")
            }
            XCTAssertTrue(
                (1...bytes.count + 1).contains(line) && (1...bytes.count + 1).contains(column), "\(problem)")
            XCTAssertFalse(problem.message.isEmpty || problem.message.contains("\n"), "\(problem)")
        }
    }

    private func mutated(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        var bytes = bytes
        for _ in 0...Int.random(in: 0..<4, using: &random) {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            let other = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(bytes[other], at: index)
            case 3: bytes.insert(contentsOf: bytes[min(index, other)..<max(index, other)], at: index)
            default: bytes.swapAt(index, other)
            }
        }
        return bytes
    }
}

/// Steele, Lea and Flood's generator.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
