/// The time during which a process was running. While it was paused or throttled it could not hear anybody, so that
/// time counts for little.
///
/// A gap above `maximumStep` between two calls counts as nothing the first time, so that whatever came meanwhile is
/// heard before anybody is judged by it. While ticks keep coming late, each gap counts as `maximumStep`, so that a node
/// that is always late does judge in the end.
struct OwnClock: Sendable {
    private(set) var time: Instant
    private var last: Instant
    private var isLate = false
    private let maximumStep: Nanoseconds

    init(now: Instant, maximumStep: Nanoseconds) {
        time = now
        last = now
        self.maximumStep = maximumStep
    }

    /// Moves the time on. Returns by how much this process was late; zero where it was not.
    mutating func advance(to now: Instant, isTick: Bool) -> Nanoseconds {
        let step = now - last
        last = max(last, now)
        guard step > maximumStep else {
            time = time + step
            // Hearing something at once after a pause does not end it: the next tick does.
            if isTick { isLate = false }
            return .zero
        }
        if isLate { time = time + maximumStep }
        isLate = true
        return step
    }
}
