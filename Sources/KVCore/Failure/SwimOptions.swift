/// The times and limits of a failure detector.
///
/// With the default interval a process that stops is suspected within 1.85 s in clusters of up to four (a turn of 1 s,
/// a probe of 0.7 s, ticks) and declared dead within 5.2 s.
package struct SwimOptions: Hashable, Sendable {
    /// `failure.probe_interval`, at least `minimumInterval`: SWIM's protocol period. All other times derive from it.
    package let probeInterval: Nanoseconds
    /// How often `tick` is to be given: 50 ms, less for intervals below a second.
    package var timer: Nanoseconds
    /// Members probed in an interval, evenly spread over it. So each node of a cluster of up to four probes all others.
    package var probesPerInterval = 3
    /// A member that has not answered a ping after this time is probed through others as well.
    package var directTimeout: Nanoseconds
    /// After this time a helper says that the target has not answered it.
    package var relayTimeout: Nanoseconds
    /// A probe without an answer has failed after this time. It is less than the interval, so that a failure is noticed
    /// within two intervals.
    package var probeTimeout: Nanoseconds
    /// Members asked to probe on this node's behalf.
    package var helpers = 3
    /// How often news is passed on beside what probes carry, and to how many members each time.
    package var gossipInterval: Nanoseconds
    package var gossipFanOut = 3
    /// A message of news goes out at most this number of times log2(members + 1) from each node.
    package var retransmissions = 2
    /// How long a suspicion waits for a refutation once confirmed, in clusters of up to ten members: it grows with
    /// log10 of the members.
    package var suspicionTimeout: Nanoseconds
    /// An unconfirmed suspicion waits so many times longer.
    package var unconfirmedFactor: UInt64 = 6
    /// Suspicions by other members that make one confirmed; fewer where fewer others are alive.
    package var confirmations = 3
    /// The highest score of local health (0 is well): timeouts of probes are multiplied by the score plus one.
    package var maximumHealthScore = 8
    /// More time than this between two calls is this node's own lateness: it counts as so much, whatever it was.
    package var maximumStep: Nanoseconds
    /// The most updates in a message.
    package var maximumUpdates = GossipMessage.maximumUpdates
    /// The most probes on behalf of others at a time. Further requests are ignored.
    package var maximumRelays = 256
    /// How long a member that was heard over a connection counts as answering.
    package var vouchTime = Nanoseconds.milliseconds(1000)
    /// A member is told directly that it is suspected at most once in this time.
    package var tellingInterval: Nanoseconds

    package static let minimumInterval = Nanoseconds.milliseconds(20)

    package init(probeInterval: Nanoseconds = .milliseconds(1000)) {
        let interval = max(probeInterval, Self.minimumInterval)
        self.probeInterval = interval
        timer = min(interval.scaled(1, over: 20), .milliseconds(50))
        directTimeout = interval.scaled(3, over: 10)
        relayTimeout = interval.scaled(2, over: 10)
        probeTimeout = interval.scaled(7, over: 10)
        gossipInterval = interval.scaled(1, over: 5)
        suspicionTimeout = interval.scaled(3, over: 1)
        maximumStep = interval.scaled(1, over: 4)
        tellingInterval = timer
    }
}

extension SwimOptions {
    /// How often each node passes a piece of news on, in a cluster of so many members.
    func transmissions(members: Int) -> Int { retransmissions * Logarithm.ceiling(members + 1) }

    /// How long a suspicion lasts.
    ///
    /// As in Lifeguard it begins long and shrinks with the logarithm of the confirmations: the first ones say most.
    /// - Parameters:
    ///   - confirmations: suspicions by other members than the first who suspected.
    ///   - others: members alive who could confirm it.
    func suspicion(confirmations: Int, others: Int, members: Int) -> Nanoseconds {
        let shortest = suspicionTimeout.scaled(max(Logarithm.hundredths(members), 332), over: 332)
        let wanted = min(self.confirmations, others)
        guard confirmations < wanted else { return shortest }
        let longest = shortest.scaled(unconfirmedFactor, over: 1)
        let spread = longest.nanoseconds - shortest.nanoseconds
        let shrunk = Nanoseconds(nanoseconds: spread).scaled(
            Logarithm.hundredths(confirmations + 1), over: Logarithm.hundredths(wanted + 1))
        return Nanoseconds(nanoseconds: longest.nanoseconds - shrunk.nanoseconds)
    }
}

/// Base 2, by whole numbers.
enum Logarithm {
    /// Rounded up; 0 for numbers below 2.
    static func ceiling(_ number: Int) -> Int {
        number < 2 ? 0 : Int.bitWidth - (number - 1).leadingZeroBitCount
    }

    /// In hundredths, interpolated between powers of two: at most 9 too low. 0 for numbers below 2.
    static func hundredths(_ number: Int) -> UInt64 {
        guard number >= 2 else { return 0 }
        let whole = Int.bitWidth - 1 - number.leadingZeroBitCount
        let power = UInt64(1) << UInt64(whole)
        let rest = UInt64(number) - power
        return UInt64(whole) * 100 + power.dividingFullWidth(rest.multipliedFullWidth(by: 100)).quotient
    }
}

extension Nanoseconds {
    /// Saturates. The denominator is positive.
    func scaled(_ numerator: UInt64, over denominator: UInt64) -> Nanoseconds {
        let product = nanoseconds.multipliedFullWidth(by: numerator)
        guard product.high < denominator else { return Nanoseconds(nanoseconds: .max) }
        return Nanoseconds(nanoseconds: denominator.dividingFullWidth(product).quotient)
    }
}
