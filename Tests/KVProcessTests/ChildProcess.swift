import Foundation
import Synchronization
import XCTest

/// A process that a test starts. It is ended by its number, so that no other process is hit.
final class ChildProcess: Sendable {
    enum End: Hashable, Sendable {
        case exited(Int32)
        case signaled(Int32)
    }

    let pid: pid_t
    private let end = Mutex<End?>(nil)

    /// Starts a process. Its standard input is the file `input`, or empty. Its output is appended to files.
    /// - Parameter command: The executable's path and its arguments, as bytes.
    init(
        _ command: [[UInt8]], environment: [String: String] = [:], directory: String, input: String = "/dev/null",
        output: String, errors: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let append = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, append, 0o644)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors, append, 0o644)
        let variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("KV_") }
            .merging(environment) { $1 }.map { Array("\($0)=\($1)".utf8) }
        var number: pid_t = 0
        let command = ["/usr/bin/env", "-C", directory].map { Array($0.utf8) } + command
        let status = Self.withStrings(command) { argv in
            Self.withStrings(variables) { envp in posix_spawn(&number, "/usr/bin/env", &actions, nil, argv, envp) }
        }
        guard status == 0 else {
            throw Unexpected("cannot run env: \(String(cString: strerror(status)))")
        }
        pid = number
    }

    private static func withStrings<R>(
        _ strings: [[UInt8]], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers = strings.map { strdup(($0 + [0]).map { CChar(bitPattern: $0) }) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return body(&pointers)
    }

    /// How the process has ended; nil while it runs.
    func poll() -> End? {
        end.withLock { end in
            var status: Int32 = 0
            guard end == nil, waitpid(pid, &status, WNOHANG) == pid else { return end }
            end = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signaled(status & 0x7f)
            return end
        }
    }

    /// Sends a signal. Does nothing if the process has ended, because another one may have its number by now.
    func signal(_ number: Int32) {
        if poll() == nil { kill(pid, number) }
    }

    /// Sends SIGSTOP, and waits until all threads are stopped. On a busy machine they run on until one of them has
    /// taken the signal.
    func stopNow() throws {
        signal(SIGSTOP)
        for _ in 0..<10_000 {
            guard poll() == nil else { break }
            let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
            let states = tasks.map { task in
                (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/stat", encoding: .utf8))?
                    .split(separator: ")").last?.split(separator: " ").first
            }
            if states.allSatisfy({ $0 == "T" }) { return }
            usleep(1000)
        }
        throw Unexpected("process \(pid) did not stop")
    }

    /// Sends SIGKILL, and waits until the process has ended.
    func killNow() {
        signal(SIGKILL)
        while poll() == nil { usleep(1000) }
    }

    /// Waits for the end of the process.
    /// - Throws: `Unexpected` after `limit` seconds. The process has been killed then.
    func wait(limit: Double = 30) throws -> End {
        let deadline = Time.now + limit
        while true {
            if let end = poll() { return end }
            guard Time.now < deadline else {
                killNow()
                throw Unexpected("process \(pid) did not end within \(limit) s")
            }
            usleep(2000)
        }
    }
}

/// Something outside the test has failed, such as a process that does not start.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

enum Time {
    /// Seconds of a monotonic clock.
    static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
}
