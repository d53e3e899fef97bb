import Glibc

/// Reports the state of this process to the service manager that started it, by the protocol of sd_notify(3): datagrams
/// to the socket in NOTIFY_SOCKET. Without that variable, nothing is reported.
struct ServiceManager: Sendable {
    private let path: String

    init?(socket path: String?) {
        // An abstract address begins with @. Other text that is not a path is not supported.
        guard let path, path.utf8.count < Self.maximumPath, path.hasPrefix("/") || path.hasPrefix("@") else {
            return nil
        }
        self.path = path
    }

    /// The service manager in this process's environment.
    static var own: ServiceManager? { ServiceManager(socket: getenv("NOTIFY_SOCKET").map { String(cString: $0) }) }

    /// Reports that the process serves, or does all it can without its peers.
    func ready(_ status: String) { send("READY=1\n\(Self.line(status))") }

    func tell(_ status: String) { send(Self.line(status)) }

    /// Reports that the configuration is being read; `ready` ends that.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        send("RELOADING=1\nMONOTONIC_USEC=\(UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000)")
    }

    func stopping() { send("STOPPING=1\n\(Self.line("stopping: handing leaderships over"))") }

    private static func line(_ status: String) -> String {
        "STATUS=" + status.split(separator: "\n").joined(separator: " ")
    }

    /// The size of the path in `sockaddr_un`, including the final NUL.
    private static let maximumPath = 108

    /// Never waits. A message that the manager does not take is lost: another one follows, or the manager has gone.
    private func send(_ message: String) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(Self.maximumPath - 1)) }
        if path.hasPrefix("@") { address.sun_path.0 = 0 }
        let length = MemoryLayout<sa_family_t>.size + path.utf8.count
        var bytes = message
        bytes.withUTF8 { bytes in
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                    _ = sendto(
                        descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL),
                        pointer, socklen_t(length))
                }
            }
        }
    }
}

/// Watches a node for the service manager: reports when it is ready, and what keeps it from serving.
struct ReadinessWatch: Sendable {
    /// The time after which a node counts as started even if it cannot serve: a node whose peers are down is itself
    /// well, and must not be taken for one that failed to start.
    static let patience = Duration.seconds(30)
    private static let stepUntilReady = Duration.milliseconds(50)
    private static let stepAfterwards = Duration.seconds(2)

    let manager: ServiceManager
    /// Why the node cannot serve; nil while it can.
    let obstacle: @Sendable () -> String?

    /// Returns when the task is cancelled.
    func run(patience: Duration = Self.patience) async {
        let end = ContinuousClock.now + patience
        var said = ""
        while let obstacle = obstacle(), ContinuousClock.now < end {
            let now = "starting: \(obstacle)"
            if now != said { manager.tell(now) }
            said = now
            guard (try? await Task.sleep(for: Self.stepUntilReady)) != nil else { return }
        }
        said = text
        manager.ready(said)
        while (try? await Task.sleep(for: Self.stepAfterwards)) != nil {
            let now = text
            if now != said { manager.tell(now) }
            said = now
        }
    }

    private var text: String { obstacle().map { "not serving: \($0)" } ?? "serving" }
}
