import KVCore

/// One run of the generator.
package struct BenchOptions: Sendable {
    package enum Transport: String, CaseIterable, Sendable {
        /// The client library.
        case kv
        case http
        case resp
    }

    package enum Loading: String, CaseIterable, Sendable {
        /// All keys are written first.
        case yes
        /// They are taken to be there.
        case no
        /// They are written, and that is all.
        case only
    }

    package var transport = Transport.kv
    /// In order of preference.
    package var endpoints: [Address]
    /// An operation that takes longer has failed.
    package var timeout: Nanoseconds
    package var mix = WorkloadMix(readRatio: 0.5)
    /// Nil: as the mix has it.
    package var distribution: Distribution?
    /// Keys that there are in the beginning: 1 or more.
    package var keys = 100_000
    /// Bytes.
    package var valueSize = 100
    package var loading = Loading.yes
    /// Connections, over all threads; of the library: tasks.
    package var clients = 50
    /// Operations under way at a time for each client.
    package var pipeline = 1
    /// Operations a second that begin, in an open loop; nil: the next begins when one ends.
    package var rate: Double?
    /// Not counted, before what is.
    package var warmup = Nanoseconds.zero
    package var duration = Nanoseconds.milliseconds(10_000)
    /// Ends the run before its time, warm-up included.
    package var operations: Int?
    /// Of the generator: event loops.
    package var threads = 1
    package var seed: UInt64 = 1
    /// Redis replicas that must confirm each write; 0: WAIT is not sent.
    package var wait = 0
    /// Requests go to the leader of their key.
    package var isRouted = true

    package init(endpoints: [Address], timeout: Nanoseconds) {
        self.endpoints = endpoints
        self.timeout = timeout
    }

    var chosenDistribution: Distribution { distribution ?? mix.distribution }
}
