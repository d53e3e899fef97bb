/// Why an operator's request is refused. Nothing was changed.
struct ControlFailure: Error {
    var refusal: ControlRefusal
    /// What is wrong with what, and what to do.
    var message: String

    init(_ refusal: ControlRefusal, _ message: String) {
        self.refusal = refusal
        self.message = message
    }

    /// There is one plan at a time.
    static var planUnderWay: ControlFailure {
        ControlFailure(.planUnderWay, "another plan is under way: wait for its end, or cancel it (kv ring --cancel)")
    }

    /// A limit of waiting requests is reached.
    static func tooMany(_ waiting: Int) -> ControlFailure {
        ControlFailure(
            .noCoordinator, "\(waiting) requests wait for the coordinator already: ask again in a moment")
    }

    var reply: ControlReply { .refused(refusal, message) }
}
