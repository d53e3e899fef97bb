import Glibc
import KVClient

/// The exit codes of every command; `sysexits.h` has those from 64 on.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case noSuchKey = 1
    case conditionFailed = 2
    case usage = 64
    /// The configuration or the data is bad.
    case data = 65
    /// No node could be reached, or there was no majority. Nothing was changed.
    case unavailable = 69
    case unknown = 75
    case denied = 77

    /// The meaning, for the manual pages.
    var meaning: String {
        switch self {
        case .done: "Done."
        case .noSuchKey: "There is no such key."
        case .conditionFailed: "A condition was not met, or the cluster cannot do it as asked; nothing was changed."
        case .usage: "The command line is wrong."
        case .data: "The configuration or the data is bad."
        case .unavailable: "No node could be reached, or too few of them; nothing was changed."
        case .unknown: "The outcome is unknown: it may have been done, or may yet be."
        case .denied: "It is not allowed."
        }
    }
}

/// The reason why a command did not do what it was asked for.
struct Failure: Error {
    var status: ExitStatus
    /// Says what happened, to what, and what to do next.
    var message: String

    init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: KVError) {
        guard error.effect == .none else {
            self.init(.unknown, "outcome unknown: \(error)")
            return
        }
        switch error.code {
        case .unreachable:
            self.init(
                .unavailable,
                "no node could be asked, nothing was changed: \(error); start one with 'kv serve', or name another"
                    + " with --endpoint")
        case .conditionFailed, .planUnderWay, .noPlan, .impossible: self.init(.conditionFailed, "\(error)")
        case .denied: self.init(.denied, "\(error)")
        case .badRequest, .unfit: self.init(.data, "\(error)")
        case .noLeader, .noReplica, .overloaded, .diskFull, .stopping, .notMember, .notReady, .noCoordinator,
            .unavailable, .tooManyWaiting, .timedOut, .leaderLost, .connectionLost, .cancelled, .internalError:
            self.init(.unavailable, "\(error)")
        }
    }

    func exit() -> Never {
        Output.complain(message)
        Glibc.exit(status.rawValue)
    }
}
