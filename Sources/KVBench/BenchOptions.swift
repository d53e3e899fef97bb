import KVCore

/// One run of the generator.
public struct BenchOptions: Sendable {
    public enum Transport: String, CaseIterable, Sendable {
        /// The client library.
        case kv
        case http
        case resp
    }

    public enum Loading: String, CaseIterable, Sendable {
        /// All keys are written first.
        case yes
        /// They are taken to be there.
        case no
        /// They are written, and that is all.
        case only
    }

    public var transport = Transport.kv
    /// In order of preference.
    public var endpoints: [Address]
    /// An operation that takes longer has failed.
    public var timeout: Span
    public var mix = WorkloadMix(readRatio: 0.5)
    /// Nil: as the mix has it.
    public var distribution: Distribution?
    /// Keys that there are in the beginning: 1 or more.
    public var keys = 100_000
    /// Bytes.
    public var valueSize = 100
    public var loading = Loading.yes
    /// Connections, over all threads; of the library: tasks.
    public var clients = 50
    /// Operations under way at a time for each client.
    public var pipeline = 1
    /// Operations a second that begin, in an open loop; nil: the next begins when one ends.
    public var rate: Double?
    /// Not counted, before what is.
    public var warmup = Span.zero
    public var duration = Span.milliseconds(10_000)
    /// Ends the run before its time, warm-up included.
    public var operations: Int?
    /// Of the generator: event loops.
    public var threads = 1
    public var seed: UInt64 = 1
    /// Redis replicas that must confirm each write; 0: WAIT is not sent.
    public var wait = 0
    /// Requests go to the leader of their key.
    public var isRouted = true

    public init(endpoints: [Address], timeout: Span) {
        self.endpoints = endpoints
        self.timeout = timeout
    }

    var chosenDistribution: Distribution { distribution ?? mix.distribution }
}
