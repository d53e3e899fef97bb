import KVCore
import KVSimulator

/// The history of one key, which is checked against a register.
struct KeyHistory {
    private let events: [Load.Event]
    /// The versions that were seen, numbered from 1 in their order.
    private let ranks: [Version: Int]
    /// By version: the write that made it.
    private var writers: [Version: Int] = [:]

    init(_ events: [Load.Event]) {
        self.events = events
        var versions: Set<Version> = []
        for event in events {
            if let version = event.outcome.version { versions.insert(version) }
            if case .change(_, let version) = event.action { versions.insert(version) }
            switch (event.outcome, event.action.write) {
            case (.found(let write, let version), _), (.written(let version), .some(let write)):
                writers[version] = write
            default: break
            }
        }
        ranks = Dictionary(uniqueKeysWithValues: zip(versions.sorted(), 1...))
    }

    /// All problems found. Empty if there are none.
    func problems() -> [String] {
        var refused: Set<Int> = []
        var written: Set<Int> = []
        for event in events {
            guard let write = event.action.write else { continue }
            written.insert(write)
            switch event.outcome {
            case .refused, .conditionFailed: refused.insert(write)
            default: break
            }
        }
        var problems: [String] = []
        for event in events {
            guard case .found(let write, _) = event.outcome else { continue }
            if refused.contains(write) { problems.append("was refused, and took effect: \(write), seen by \(event)") }
            if !written.contains(write) { problems.append("was written by nobody: what \(event) found") }
        }
        guard problems.isEmpty else { return problems }
        switch LinearizabilityChecker.check(operations) {
        case .linearizable: return []
        case .violation: return ["no order explains its history"]
        case .undecided: return ["its history is too long to be checked"]
        }
    }

    private var operations: [RegisterOperation] {
        events.compactMap { event in
            step(event).map { step in
                let isOpen = if case .unknown = event.outcome { true } else { false }
                return RegisterOperation(
                    nanoseconds(event.invoked), isOpen ? RegisterOperation.open : nanoseconds(event.completed), step)
            }
        }
    }

    private func nanoseconds(_ seconds: Double) -> UInt64 { UInt64(seconds * 1e9) }

    private func step(_ event: Load.Event) -> Step? {
        let stamp = event.outcome.version.flatMap { ranks[$0] } ?? 0
        switch event.outcome {
        case .refused: return nil
        case .found(let write, _): return .read(SeenValue(write, stamp: stamp))
        case .absent: return .read(nil)
        case .deleted: return .erase(.present)
        case .conditionFailed(let met): return .mismatch(required: requirement(event.action), met: met.map(sight))
        case .written: return event.action.write.map { .write(SeenValue($0, stamp: stamp), requirement(event.action)) }
        case .unknown:
            guard let write = event.action.write else { return .erase(.nothing) }
            return .write(SeenValue(write), requirement(event.action))
        }
    }

    private func requirement(_ action: Load.Action) -> Requirement {
        switch action {
        case .create: .absent
        case .change(_, let version): .exactly(sight(version))
        case .get, .put, .delete: .nothing
        }
    }

    /// The value of a version. If the value was overwritten before any client saw it, it is unidentified.
    private func sight(_ version: Version) -> SeenValue {
        SeenValue(writers[version] ?? SeenValue.unidentified, stamp: ranks[version] ?? 0)
    }
}
