import Glibc
import NIOPosix
import Synchronization

/// Writes lines on its own thread, so that logging never waits for the reader of the log: a pipe that nobody empties
/// would stop an event loop. Lines that do not fit into the buffer are dropped and counted, and the count is written in
/// their place.
final class LogWriterThread: Sendable {
    /// The most bytes of lines that wait to be written.
    static let limit = 1 << 20
    /// The most time that `flush` waits.
    static let patience = Duration.seconds(1)

    private struct State {
        var lines: [String] = []
        var bytes = 0
        var dropped = 0
        var isWriting = false
    }

    private let state = Mutex(State())
    private let descriptor: CInt
    private let thread = NIOThreadPool(numberOfThreads: 1)

    init(descriptor: CInt) {
        self.descriptor = descriptor
        thread.start()
    }

    deinit { thread.shutdownGracefully { _ in } }

    func write(_ line: String) {
        let isIdle = state.withLock { state -> Bool in
            guard state.bytes + line.utf8.count <= Self.limit else {
                state.dropped += 1
                return false
            }
            state.lines.append(line)
            state.bytes += line.utf8.count
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if isIdle { thread.submit { [self] _ in drain() } }
    }

    func flush() {
        let end = ContinuousClock.now + Self.patience
        while state.withLock({ $0.isWriting }), ContinuousClock.now < end { usleep(1000) }
    }

    private func drain() {
        while true {
            let (lines, dropped) = state.withLock { state -> ([String], Int) in
                defer {
                    state.lines = []
                    state.bytes = 0
                    state.dropped = 0
                }
                if state.lines.isEmpty { state.isWriting = false }
                return (state.lines, state.dropped)
            }
            guard !lines.isEmpty else { return }
            // One write per line, so that the lines of several processes on one terminal do not mix.
            for line in lines { put(line) }
            if dropped > 0 { put("... \(dropped) lines of the log were dropped here: they were not read in time\n") }
        }
    }

    private func put(_ line: String) {
        var line = line
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
                } else if errno == EAGAIN {
                    // Standard error is non-blocking if another process has made it so.
                    usleep(10_000)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }
}
