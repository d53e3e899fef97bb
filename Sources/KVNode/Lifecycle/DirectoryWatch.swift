import NIOCore
import NIOPosix

/// Looks now and then whether the data directory is still there. One that was deleted stays open, and a node that is
/// asked for nothing new would not notice before it ends.
struct DirectoryWatch {
    static let interval = TimeAmount.seconds(2)

    private let task: RepeatedTask

    /// - Parameter pool: where it looks, as that may block; at most one look is under way.
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
