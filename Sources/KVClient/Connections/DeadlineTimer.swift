import NIOCore

/// A timer that fires at the earliest of the deadlines that it was given since it fired last. Belongs to an event loop.
final class DeadlineTimer {
    private var scheduled: Scheduled<Void>?
    private var deadline = NIODeadline.distantFuture

    /// - Parameter body: is called on the loop; it arms the timer again where there is more to wait for.
    func arm(_ deadline: NIODeadline, on loop: any EventLoop, _ body: @escaping () -> Void) {
        guard scheduled == nil || deadline < self.deadline else { return }
        scheduled?.cancel()
        self.deadline = deadline
        scheduled = loop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            scheduled = nil
            body()
        }
    }

    func cancel() {
        scheduled?.cancel()
        scheduled = nil
    }
}
