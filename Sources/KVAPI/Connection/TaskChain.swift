import KVCore
import NIOCore

/// Schedules tasks of an event loop that call for each other, so that the loop looks for input between them.
///
/// NIO runs all tasks that are ready, and those that they add, before it looks for input again. So a task that executes
/// the next one by `execute` is no pause for others: as long as such a chain lasts, the loop reads from no connection.
/// A chain that has lasted for `longest` therefore goes on by a timer, which is not ready yet when NIO looks for tasks.
package struct TaskChain: Sendable {
    /// How long tasks follow each other without a look for input.
    package static let longest = Nanoseconds.milliseconds(1)
    /// Longer than NIO takes from the end of a task until it looks for others, and short beside `longest`.
    private static let pause = TimeAmount.microseconds(50)

    /// When the first task of the chain began; nil before it has.
    private var began: Instant?

    package init() {}

    /// Schedules the first task of a chain: input has asked for it.
    package mutating func begin(on loop: any EventLoop, _ task: @escaping @Sendable () -> Void) {
        began = nil
        loop.execute(task)
    }

    /// Notes that a task of the chain begins.
    package mutating func begins(now: Instant) {
        if began == nil { began = now }
    }

    /// Schedules the next task of the chain. Called at the end of a task: were it called before the rest of it, the
    /// timer could be ready when NIO looks for tasks.
    package mutating func goOn(on loop: any EventLoop, now: Instant, _ task: @escaping @Sendable () -> Void) {
        guard let began, now - began >= Self.longest else { return loop.execute(task) }
        self.began = nil
        Self.afterInput(on: loop, task)
    }

    /// Runs a task after the loop has looked for input. Called at the end of a task.
    package static func afterInput(on loop: any EventLoop, _ task: @escaping @Sendable () -> Void) {
        loop.assumeIsolated().scheduleTask(in: pause, task)
    }
}
