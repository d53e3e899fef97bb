import KVClient
import Synchronization
import XCTest

/// Programs that share one client go on while nodes are killed, stand still and are restarted one after the other.
final class ClientFaultTests: XCTestCase {
    private static let timeout = Duration.seconds(2)
    /// Scheduling on a machine that runs three nodes and this.
    private static let late = Duration.milliseconds(500)

    /// A counter that also knows which number of each task it has counted last. So a task that does not know whether
    /// its number was counted can try again.
    private struct Counter: Codable {
        var count = 0
        var last: [Int: Int] = [:]
    }

    private final class Progress: Sendable {
        private struct State {
            var isStopped = false
            var done = 0
            var unknown = 0
            var retried = 0
            var longest = Duration.zero
            var problems: [String] = []
        }

        private let state = Mutex(State())

        var isStopped: Bool { state.withLock { $0.isStopped } }
        var done: Int { state.withLock { $0.done } }
        var longest: Duration { state.withLock { $0.longest } }
        var problems: [String] { state.withLock { $0.problems } }
        var summary: String {
            state.withLock {
                "\($0.done) counted, \($0.unknown) in doubt, \($0.retried) refused, longest \($0.longest)"
            }
        }

        func stop() { state.withLock { $0.isStopped = true } }
        func counted() { state.withLock { $0.done += 1 } }
        func took(_ time: Duration) { state.withLock { $0.longest = max($0.longest, time) } }

        func failed(_ error: any Error) {
            state.withLock { state in
                guard let error = error as? KVError else { return state.problems.append("\(error)") }
                if error.effect == .unknown {
                    state.unknown += 1
                } else if error.isRetryable {
                    state.retried += 1
                } else {
                    state.problems.append(error.debugDescription)
                }
            }
        }
    }

    /// Counts up one of a few counters that others count up too.
    /// - Returns: the number that it has counted last.
    private static func count(_ task: Int, _ client: KVClient, _ key: Key, _ progress: Progress) async -> Int {
        var number = 0
        while !progress.isStopped {
            number += 1
            while true {
                do {
                    try await client.update(key, as: JSON<Counter>.self) { stored in
                        var counter = stored?.value ?? Counter()
                        if counter.last[task] != number {
                            counter.count += 1
                            counter.last[task] = number
                        }
                        return JSON(counter)
                    }
                    progress.counted()
                    break
                } catch {
                    progress.failed(error)
                }
            }
        }
        return number
    }

    /// Puts and gets, and takes the time of each call.
    private static func probe(_ task: Int, _ client: KVClient, _ progress: Progress) async {
        let clock = ContinuousClock()
        while !progress.isStopped {
            for key in (0..<10).map({ Key("probe/\(task)/\($0)") }) {
                let took = await clock.measure {
                    do {
                        if task % 2 == 0 { try await client.put(key, [1]) } else { _ = try await client.get(key) }
                    } catch {
                        progress.failed(error)
                    }
                }
                progress.took(took)
                try? await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    func testCountersStayExactThroughFaults() async throws {
        let cluster = try TestCluster()
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        var options = KVClientOptions()
        options.timeout = Self.timeout
        let client = KVClient(endpoints: cluster.nodes.map(\.client), options: options)
        let progress = Progress()
        defer { progress.stop() }
        let keys = (0..<5).map { Key("counter/\($0)") }
        let counting = (0..<20).map { task in
            Task { await Self.count(task, client, keys[task % keys.count], progress) }
        }
        let probing = (0..<4).map { task in Task { await Self.probe(task, client, progress) } }

        try await advance(progress, by: 200)
        cluster.killNow("n1")
        try await advance(progress, by: 200)
        try cluster.start("n1")
        try cluster.waitUntilReady("n1")
        try await advance(progress, by: 200)

        try cluster.stopNow("n2")
        try await Task.sleep(for: .seconds(3))
        cluster.signal(SIGCONT, "n2")
        try await advance(progress, by: 200)

        for id in ["n1", "n2", "n3"] {
            _ = try cluster.stop(id)
            try cluster.start(id)
            try cluster.waitUntilReady(id)
            try await advance(progress, by: 100)
        }

        progress.stop()
        var expected: [Key: Int] = [:]
        for (task, counter) in counting.enumerated() {
            expected[keys[task % keys.count], default: 0] += await counter.value
        }
        for task in probing { await task.value }
        for key in keys {
            let counter = try await client.get(key, as: JSON<Counter>.self)
            XCTAssertEqual(counter?.value.value.count, expected[key], "\(key)")
        }
        XCTAssertEqual(progress.problems, [])
        XCTAssertLessThan(progress.longest, Self.timeout + Self.late)
        print(progress.summary)
        await client.close()
    }

    private func advance(_ progress: Progress, by count: Int) async throws {
        let before = progress.done
        let end = ContinuousClock.now + .seconds(30)
        while progress.done < before + count {
            guard ContinuousClock.now < end else {
                struct Stuck: Error {}
                XCTFail("stuck: \(progress.summary)")
                throw Stuck()
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
