import Glibc
import KVConfig
import Logging
import Synchronization
import XCTest

@testable import KVNode

/// Tests what a node tells the service manager, by the datagrams that it sends.
final class ServiceManagerTests: XCTestCase {
    func testNothingIsToldWhereNobodyAsks() {
        XCTAssertNil(ServiceManager(socket: nil))
        XCTAssertNil(ServiceManager(socket: ""))
        XCTAssertNil(ServiceManager(socket: "relative"))
        XCTAssertNil(ServiceManager(socket: "/" + String(repeating: "a", count: 107)), "longer than an address may be")
        XCTAssertNotNil(ServiceManager(socket: "/" + String(repeating: "a", count: 106)))
    }

    func testMessagesReachASocketWithAPathAndOneWithout() throws {
        for path in ["/tmp/kv-notify-\(getpid())", "@kv-notify-\(getpid())"] {
            let socket = try NotifySocket(path)
            let manager = try XCTUnwrap(ServiceManager(socket: path))
            manager.ready("serving\nREADY=0")
            XCTAssertEqual(socket.next(), "READY=1\nSTATUS=serving READY=0", "a status is one line")
            manager.tell("starting")
            XCTAssertEqual(socket.next(), "STATUS=starting")
            manager.stopping()
            XCTAssertEqual(socket.next(), "STOPPING=1\nSTATUS=stopping: handing leaderships over")
            manager.reloading()
            let reloading = try XCTUnwrap(socket.next())
            XCTAssertNotNil(reloading.wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=[0-9]+/), reloading)
        }
    }

    func testAManagerThatIsGoneOrDoesNotReadHoldsNothingUp() throws {
        try XCTUnwrap(ServiceManager(socket: "/nowhere/socket")).ready("serving")
        let socket = try NotifySocket("@kv-full-\(getpid())")
        let manager = try XCTUnwrap(ServiceManager(socket: socket.path))
        let start = ContinuousClock.now
        for _ in 0..<10_000 { manager.tell("x") }
        XCTAssertLessThan(ContinuousClock.now - start, .seconds(10), "more than the socket takes are lost")
        XCTAssertEqual(socket.next(), "STATUS=x")
    }

    func testReadyOnceItServes() async throws {
        let socket = try NotifySocket("@kv-ready-\(getpid())")
        let obstacle = Mutex<String?>("the node is starting")
        let watch = ReadinessWatch(manager: try XCTUnwrap(ServiceManager(socket: socket.path))) {
            obstacle.withLock { $0 }
        }
        let task = Task { await watch.run() }
        XCTAssertEqual(socket.next(), "STATUS=starting: the node is starting")
        obstacle.withLock { $0 = nil }
        var message = socket.next()
        while message == "STATUS=starting: the node is starting" { message = socket.next() }
        XCTAssertEqual(message, "READY=1\nSTATUS=serving")
        obstacle.withLock { $0 = "too few are up" }
        XCTAssertEqual(socket.next(), "STATUS=not serving: too few are up")
        task.cancel()
        await task.value
    }

    func testReadyAllTheSameWhenItsPatienceEnds() async throws {
        let socket = try NotifySocket("@kv-patience-\(getpid())")
        let watch = ReadinessWatch(manager: try XCTUnwrap(ServiceManager(socket: socket.path))) { "no peers" }
        let task = Task { await watch.run(patience: .milliseconds(1)) }
        var message = socket.next()
        while message == "STATUS=starting: no peers" { message = socket.next() }
        XCTAssertEqual(message, "READY=1\nSTATUS=not serving: no peers")
        task.cancel()
        await task.value
    }

    // MARK: Reloading

    func testAReloadChangesTheLogAndNamesTheRest() throws {
        let lines = LogLines()
        let first = try Configuration.explain(flags: .init(), environment: [:])
        let output = LogOutput(first.configuration.log)
        let next = Mutex<Result<ExplainedConfiguration, ConfigurationError>>(.success(first))
        let reload = Reload(first, output: output, logger: lines.logger, manager: nil) {
            () throws(ConfigurationError) in try next.withLock { $0 }.get()
        }
        reload.run()
        XCTAssertEqual(lines.take(), ["notice reloaded: the configuration is the same as before"])

        let changed = ["KV_LOG_LEVEL": "debug", "KV_STORAGE_CACHE": "1MiB", "KV_STORAGE_SHARDS": "7", "KV_ZONE": "z"]
        next.withLock {
            $0 = Result { () throws(ConfigurationError) in
                try Configuration.explain(flags: .init(), environment: changed)
            }
        }
        reload.run()
        XCTAssertEqual(output.current.level, .debug)
        XCTAssertEqual(
            lines.take(),
            [
                "warning reloaded: nodes[n1].zone: null is now z, which changes nothing: it is fixed since the cluster"
                    + " was created",
                "warning reloaded: storage.cache: 256MiB is now 1MiB, which counts from the next start",
                "warning reloaded: storage.shards: 0 is now 7, which changes nothing: it is fixed since the data"
                    + " directory was made",
                "notice reloaded: log.level: info is now debug",
            ])
        // A setting that waits for the next start is named again with each reload. One that is in force is not.
        reload.run()
        XCTAssertEqual(lines.take().count, 3)

        let mistake = Result { () throws(ConfigurationError) in
            try Configuration.explain(flags: .init(), environment: ["KV_LOG_LEVEL": "loud"])
        }
        next.withLock { $0 = mistake }
        reload.run()
        let said = lines.take()
        XCTAssertEqual(said.count, 1)
        XCTAssertTrue(said[0].hasPrefix("error the configuration was not reloaded: KV_LOG_LEVEL: must be"), said[0])
        XCTAssertEqual(output.current.level, .debug)
    }
}

/// The socket of a service manager.
private final class NotifySocket {
    let path: String
    private let descriptor: CInt

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        unlink(path)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        if path.hasPrefix("@") { address.sun_path.0 = 0 }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard status == 0 else { throw POSIXError(errno) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// Nil where none comes within ten seconds.
    func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }

    private struct POSIXError: Error {
        let code: CInt
        init(_ code: CInt) { self.code = code }
    }
}

/// A logger that keeps its lines.
private final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append("\(event.level) \(event.message)") } }
    }
}
