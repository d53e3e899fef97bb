import KVCore

/// The options of a run.
package struct BenchOptions: Sendable {
    package enum Transport: String, CaseIterable, Sendable {
        /// Uses the client library.
        case kv
        case http
        case resp
    }

    package enum Loading: String, CaseIterable, Sendable {
        /// All keys are written first.
        case yes
        /// The keys are expected to exist.
        case no
        /// All keys are written, and no workload runs.
        case only
    }

    package var transport = Transport.kv
    /// The nodes to ask, in order of preference.
    package var endpoints: [Address]
    /// The time after which an operation has failed.
    package var timeout: Nanoseconds
    package var mix = WorkloadMix(readRatio: 0.5)
    /// Nil means the distribution of the mix.
    package var distribution: Distribution?
    /// The number of keys at the beginning, 1 or more.
    package var keys = 100_000
    /// The length of each value in bytes.
    package var valueSize = 100
    package var loading = Loading.yes
    /// The number of connections of all threads together; with the client library, of tasks.
    package var clients = 50
    /// The number of operations of each client that are under way at a time.
    package var pipeline = 1
    /// The number of operations that begin per second, in an open loop; nil means a closed loop.
    package var rate: Double?
    /// The time that the workload runs before operations are counted.
    package var warmup = Nanoseconds.zero
    package var duration = Nanoseconds.milliseconds(10_000)
    /// The number of operations, warm-up included, after which the run ends before its time; nil means no limit.
    package var operations: Int?
    /// The number of the generator's event loops.
    package var threads = 1
    package var seed: UInt64 = 1
    /// The number of Redis replicas that must confirm each write; 0 means that WAIT is not sent.
    package var wait = 0
    /// Whether requests go to the leader of their key.
    package var isRouted = true

    package init(endpoints: [Address], timeout: Nanoseconds) {
        self.endpoints = endpoints
        self.timeout = timeout
    }

    var chosenDistribution: Distribution { distribution ?? mix.distribution }
}
