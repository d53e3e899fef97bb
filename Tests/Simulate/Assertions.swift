import Foundation

/// The assertions in the code that is simulated.
enum Assertions {
    /// Whether this program was built with them: `make simulate` does so.
    static var areOn: Bool {
        var areOn = false
        assert(
            {
                areOn = true
                return true
            }())
        return areOn
    }

    /// The seed that each thread runs, plus one.
    nonisolated(unsafe) private static var running = pthread_key_t()

    /// Has an assertion that fails name the seed: it ends the program, with all the runs that are under way.
    static func nameSeeds() {
        pthread_key_create(&running, nil)
        for trap in [SIGILL, SIGTRAP] {
            signal(trap) { trap in
                Assertions.nameSeed()
                // The instruction is executed once more, and ends the program.
                signal(trap, SIG_DFL)
            }
        }
    }

    static func willRun(_ seed: UInt64) {
        pthread_setspecific(running, UnsafeRawPointer(bitPattern: UInt(truncatingIfNeeded: seed &+ 1)))
    }

    /// Only what may be done while a signal is handled.
    private static func nameSeed() {
        guard let seed = pthread_getspecific(running) else { return }
        write("an assertion failed in the run of seed ")
        var (rest, divisor) = (UInt(bitPattern: seed) - 1, UInt(10_000_000_000_000_000_000))
        while divisor > 1, rest / divisor == 0 { divisor /= 10 }
        while divisor > 0 {
            var digit = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor)
            _ = Foundation.write(STDERR_FILENO, &digit, 1)
            rest %= divisor
            divisor /= 10
        }
        write(": run it again with --seed\n")
    }

    private static func write(_ text: StaticString) {
        _ = Foundation.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }
}
