import NIOCore
import NIOPosix

/// Checks regularly that the data directory still exists. A deleted directory stays open, and a node without new
/// requests would not notice before it ends.
struct DirectoryWatch {
    static let interval = TimeAmount.seconds(2)

    private let task: RepeatedTask

    /// - Parameter pool: runs the checks, since they may block; at most one is under way.
    init(
        _ directory: DataDirectory, status: NodeStatusBoard, loop: any EventLoop, pool: NIOThreadPool,
        reasons: ReasonLog
    ) {
        let subject = "the data directory"
        let obstacle = """
            \(directory.path) was deleted or replaced under the running node, and what this holds ends with it; put it \
            back, or start \(directory.nodeID) with an empty directory and --seed, and run \
            `kv join \(directory.nodeID) --replace \(directory.nodeID)`
            """
        task = loop.scheduleRepeatedAsyncTask(initialDelay: Self.interval, delay: Self.interval) { _ in
            pool.runIfActive(eventLoop: loop) { directory.isInPlace }.map { isInPlace in
                status.set(isInPlace ? nil : obstacle, of: subject)
                if isInPlace { reasons.forget(subject) } else { reasons.say(obstacle, of: subject, level: .error) }
            }.recover { _ in }
        }
    }

    func stop() { task.cancel() }
}
