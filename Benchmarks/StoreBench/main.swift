import Glibc
import KVCore
import KVStorage

/// What the log store costs on this machine: `storebench [KEYS] [DIRECTORY]`.
///
/// Puts every key once and then a tenth of them again, in batches of 16 without sync; reads at random from the page
/// cache without a cache of its own; opens what it has written. Processor time of one thread, writes included.
struct Bench {
    static let partitions = 1024
    static let batch = 16
    let keys: Int
    let options: StoreOptions

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count <= 3, let keys = Int(arguments.count > 1 ? arguments[1] : "100000"), keys > 0 else {
            print("usage: storebench [KEYS] [DIRECTORY]")
            exit(64)
        }
        let directory = arguments.count > 2 ? arguments[2] : "storebench-data"
        var options = StoreOptions(directory: directory, store: UUID128(high: 1, low: UInt64(getpid())))
        options.sync = .never
        options.cache = 0
        try SystemFileSystem().createDirectory(directory)
        guard try SystemFileSystem().list(directory).isEmpty else {
            print("storebench: \(directory) is not empty; name another directory")
            exit(64)
        }
        try Bench(keys: keys, options: options).run()
    }

    func run() throws {
        let before = Self.residentBytes()
        var store: LogStore? = try LogStore.open(options)
        if let store {
            report("put, new key", try put(store, Array(0..<keys), round: 1), keys)
            let memory = Double(Self.residentBytes() - before) / Double(keys)
            print("memory a key: \(Self.rounded(memory)) bytes, of which the key itself \(Self.key(0).bytes.count)")
            let again = Self.shuffled(keys, min(keys, max(100_000, keys / 10)))
            report("put, key overwritten", try put(store, again, round: 2), again.count)
            let reads = Self.shuffled(keys, min(keys, 1_000_000))
            report("get, page cache", try get(store, reads), reads.count)
            try maintain(store)
        }
        store = nil
        let (start, spent) = (Self.wallSeconds(), Self.processorSeconds())
        let reopened = try LogStore.open(options)
        let (seconds, processor) = (Self.wallSeconds() - start, Self.processorSeconds() - spent)
        print(
            "start: \(Self.rounded(seconds)) s, of which \(Self.rounded(processor)) s at work, "
                + "\(reopened.statistics.segments) segments")
        try remove(reopened)
    }

    private func report(_ what: String, _ seconds: Double, _ count: Int) {
        print("\(what): \(Self.rounded(seconds * 1e6 / Double(count))) us")
    }

    /// Processor seconds. The records are made beforehand, a thousand batches at a time.
    private func put(_ store: LogStore, _ numbers: [Int], round: UInt64) throws -> Double {
        let ballot = Ballot(round: round, node: NodeNumber(1))
        let value = [UInt8](repeating: 0x76, count: 100)
        var spent = 0.0
        var sequence: UInt64 = 0
        var next = 0
        while next < numbers.count {
            let end = min(next + 1000 * Self.batch, numbers.count)
            let prepared = numbers[next..<end].map { (Self.partition($0), Self.key($0)) }
            let start = Self.processorSeconds()
            for (index, (partition, key)) in prepared.enumerated() {
                sequence += 1
                store.put(
                    partition, key, Record(version: Version(ballot: ballot, sequence: sequence), value: value))
                if index % Self.batch == Self.batch - 1 || index == prepared.count - 1 { try commit(store) }
            }
            spent += Self.processorSeconds() - start
            next = end
        }
        return spent
    }

    private func get(_ store: LogStore, _ numbers: [Int]) throws -> Double {
        let prepared = numbers.map { (Self.partition($0), Self.key($0)) }
        var onDisk = 0
        let start = Self.processorSeconds()
        for (partition, key) in prepared {
            switch store.read(partition, key) {
            case .found: break
            case .absent: throw Missing(key: key)
            case .onDisk(let ticket):
                onDisk += 1
                if let job = store.takeRead(ticket) { _ = try store.completed(job.run()) }
            }
        }
        let spent = Self.processorSeconds() - start
        if onDisk > 0 { print("(\(onDisk) of \(numbers.count) reads were not in the page cache)") }
        return spent
    }

    private func commit(_ store: LogStore) throws {
        while let job = store.takeCommit() {
            if let error = store.completed(job.run()) { throw error }
        }
    }

    private func maintain(_ store: LogStore) throws {
        let start = Self.processorSeconds()
        while let job = store.takeMaintenance() {
            if let error = store.completed(job.run()) { throw error }
            try commit(store)
        }
        print("sidecars and merging: \(Self.rounded(Self.processorSeconds() - start)) s")
    }

    private func remove(_ store: LogStore) throws {
        let system = SystemFileSystem()
        for name in try system.list(options.directory) { try system.unlink(options.directory + "/" + name) }
        rmdir(options.directory)
    }

    struct Missing: Error { var key: Key }

    // MARK: Keys and clocks

    private static func key(_ number: Int) -> Key {
        let digits = String(number)
        return Key("user" + String(repeating: "0", count: 12 - min(12, digits.utf8.count)) + digits)
    }

    private static func partition(_ number: Int) -> PartitionID {
        var random = SplitMix(seed: UInt64(number))
        return PartitionID(UInt16(random.next() % UInt64(partitions)))
    }

    /// `count` of `0 ..< keys`, at random.
    private static func shuffled(_ keys: Int, _ count: Int) -> [Int] {
        var random = SplitMix(seed: 1)
        return (0..<count).map { _ in Int(random.next() % UInt64(keys)) }
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func processorSeconds() -> Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }
    private static func wallSeconds() -> Double { seconds(CLOCK_MONOTONIC) }

    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return 0 }
        let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(getpagesize()) : 0
    }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}

try Bench.main()
