import KVCore

/// The last steps that a connection's machine asks of the code around it.
enum ConnectionEnd {
    /// Close the sending half once everything is sent, and go on reading.
    case closeOutput
    /// Close once everything is sent.
    case finish
    /// Close now.
    case abort
}

/// The life of a client's connection, whatever protocol it speaks: which half is closed, whether the node is stopping,
/// and how long the end may take.
///
///            end           closeOutput              outputClosed
///     open ------> ending -------------> closingOutput ------> discarding
///       |            |                         |                   |
///       +------------+-------------------------+-------------------+---- closed, timer ---> closed
///
/// 1. `open`: requests are taken in. What is under way of them is the protocol's own state.
/// 2. `ending`: no request is taken in any more. Replies to earlier ones may have to be waited for.
/// 3. `closingOutput`: the last reply is given to the channel. The sending half closes when the client has taken it.
/// 4. `discarding`: what the client still sends is read and dropped until it closes its half too.
/// 5. `closed`: nothing more is done.
///
/// Only the last two steps have deadlines here. An open connection's are those of its protocol.
struct ConnectionLifecycle {
    private enum Input {
        case flowing
        /// The client asked for another protocol: what it sends after the request under way is not this one's.
        case foreign
        /// The client has closed its sending half.
        case closed
    }

    private enum Phase {
        case open(Input, isDraining: Bool)
        case ending(Input, isDraining: Bool)
        case closingOutput(until: Instant, isDraining: Bool)
        case discarding(until: Instant)
        case closed
    }

    private let times: ConnectionTimes
    private var phase = Phase.open(.flowing, isDraining: false)
    /// Whether the channel takes more output, or the client has to read first.
    var isWritable = true

    init(_ times: ConnectionTimes) { self.times = times }

    // MARK: - Where it stands

    /// Whether requests are taken in.
    var isOpen: Bool { if case .open = phase { true } else { false } }

    /// Whether only replies that are under way are waited for.
    var isEnding: Bool { if case .ending = phase { true } else { false } }

    /// Whether input is read only to be dropped.
    var discardsInput: Bool {
        switch phase {
        case .closingOutput, .discarding: true
        case .open, .ending, .closed: false
        }
    }

    var isClosed: Bool { if case .closed = phase { true } else { false } }

    /// Whether it is open and the node is stopping: what has come is answered, and nothing else.
    var isDraining: Bool { if case .open(_, isDraining: true) = phase { true } else { false } }

    /// Whether it is open and the client will send nothing more.
    var isInputClosed: Bool { if case .open(.closed, _) = phase { true } else { false } }

    /// Whether it is open and what comes next is of another protocol.
    var isInputForeign: Bool { if case .open(.foreign, _) = phase { true } else { false } }

    /// When `timer` is to be called; nil where nothing is waited for that has a limit here.
    var deadline: Instant? {
        switch phase {
        case .open, .ending, .closed: nil
        case .closingOutput(let until, _), .discarding(let until): until
        }
    }

    // MARK: - What happens

    /// The client has closed its sending half.
    mutating func inputClosed() {
        switch phase {
        case .open(_, let isDraining): phase = .open(.closed, isDraining: isDraining)
        case .ending(_, let isDraining): phase = .ending(.closed, isDraining: isDraining)
        // The channel closes by itself once both halves are closed.
        case .closingOutput, .discarding, .closed: break
        }
    }

    /// The request that has been taken in last asks for another protocol.
    mutating func inputIsForeign() {
        guard case .open(let input, let isDraining) = phase else {
            return assertionFailure("a request was taken in after the end")
        }
        if input == .flowing { phase = .open(.foreign, isDraining: isDraining) }
    }

    /// The node is stopping.
    mutating func drain() {
        switch phase {
        case .open(let input, _): phase = .open(input, isDraining: true)
        case .ending(let input, _): phase = .ending(input, isDraining: true)
        case .closingOutput(let until, _): phase = .closingOutput(until: until, isDraining: true)
        // What the client has been promised of its time is not taken back.
        case .discarding, .closed: break
        }
    }

    /// No request is taken in any more.
    mutating func end() {
        switch phase {
        case .open(let input, let isDraining): phase = .ending(input, isDraining: isDraining)
        case .ending: break
        case .closingOutput, .discarding, .closed: assertionFailure("a connection ends once")
        }
    }

    /// The last reply is given to the channel.
    /// - Returns: how the channel is to be closed.
    mutating func closeOutput(now: Instant) -> ConnectionEnd {
        guard case .ending(let input, let isDraining) = phase else {
            assertionFailure("the output of a connection closes at its end")
            return .abort
        }
        phase = .closingOutput(until: now + times.write, isDraining: isDraining)
        // Where nothing more of use comes, there is nothing to wait for.
        return input == .flowing ? .closeOutput : .finish
    }

    /// Everything is sent and the sending half is closed.
    mutating func outputClosed(now: Instant) {
        guard case .closingOutput(_, let isDraining) = phase else { return }
        phase = .discarding(until: now + (isDraining ? times.drainingLinger : times.linger))
    }

    /// The channel is closed.
    mutating func closed() { phase = .closed }

    /// The deadline has passed, perhaps.
    /// - Returns: what to do where it has; the connection is closed then.
    mutating func timer(now: Instant) -> ConnectionEnd? {
        guard let deadline, deadline <= now else { return nil }
        phase = .closed
        return .abort
    }
}
