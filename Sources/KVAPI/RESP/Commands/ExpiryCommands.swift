import KVCore
import KVWire

/// Commands on when keys expire.
enum ExpiryCommands {
    static let all: [RESPCommand] = [
        expire("expire", .seconds, false, since: "1.0.0", "Lets a key expire after seconds."),
        expire("pexpire", .milliseconds, false, since: "2.6.0", "Lets a key expire after milliseconds."),
        expire("expireat", .seconds, true, since: "1.2.0", "Lets a key expire at a time in seconds since 1970."),
        expire(
            "pexpireat", .milliseconds, true, since: "2.6.0", "Lets a key expire at a time in milliseconds since 1970."),
        told("ttl", .timeToLive(.seconds), since: "1.0.0", "Gives the seconds until a key expires."),
        told("pttl", .timeToLive(.milliseconds), since: "2.6.0", "Gives the milliseconds until a key expires."),
        told("expiretime", .expiryTime(.seconds), since: "7.0.0", "Gives when a key expires, in seconds since 1970."),
        told(
            "pexpiretime", .expiryTime(.milliseconds), since: "7.0.0",
            "Gives when a key expires, in milliseconds since 1970."),
        RESPCommand(
            "persist", 2, [.write, .fast], .one, .generic, since: "2.2.0", "Lets a key stay for good."
        ) { arguments, session throws(RESPFailure) in
            let command = session.update(.keep, requirement: .expiring, lifetime: .set(.unlimited))
            return .key(try session.key(arguments, 1), command, .changed)
        },
    ]

    private static func told(
        _ name: String, _ expectation: RESPExpectation, since: String, _ summary: String
    ) -> RESPCommand {
        RESPCommand(name, 2, [.readonly, .fast], .one, .generic, since: since, summary) {
            arguments, session throws(RESPFailure) in .key(try session.key(arguments, 1), .get, expectation)
        }
    }

    private static func expire(
        _ name: StaticString, _ unit: RESPExpectation.TimeUnit, _ isAbsolute: Bool, since: String, _ summary: String
    ) -> RESPCommand {
        RESPCommand("\(name)", -3, [.write, .fast], .one, .generic, since: since, summary) {
            arguments, session throws(RESPFailure) in
            let key = try session.key(arguments, 1)
            let requirement = try requirement(arguments)
            let time = GivenTime(value: try session.integer(arguments, 2), unit: unit, isAbsolute: isAbsolute)
            guard let lifetime = time.lifetime(wall: session.wall) else { throw .expireTime(in: name) }
            return .key(
                key, session.update(.keep, requirement: requirement, lifetime: .set(lifetime)), .changed)
        }
    }

    /// NX, XX, GT and LT.
    private static func requirement(_ arguments: RESPArguments) throws(RESPFailure) -> Update.Requirement {
        var (nx, xx, gt, lt) = (false, false, false, false)
        for index in 3..<max(arguments.count, 3) {
            if arguments.matches(index, "NX") {
                nx = true
            } else if arguments.matches(index, "XX") {
                xx = true
            } else if arguments.matches(index, "GT") {
                gt = true
            } else if arguments.matches(index, "LT") {
                lt = true
            } else {
                throw RESPFailure.unsupportedOption(arguments[index])
            }
        }
        if nx, xx || gt || lt {
            throw RESPFailure("ERR NX and XX, GT or LT options at the same time are not compatible")
        }
        if gt, lt { throw RESPFailure("ERR GT and LT options at the same time are not compatible") }
        if nx { return .lasting }
        // A key without an expiry counts as the latest, so only GT demands that there is one.
        if gt { return .laterExpiry }
        if lt { return xx ? .expiringAndEarlier : .earlierExpiry }
        return xx ? .expiring : .always
    }
}
