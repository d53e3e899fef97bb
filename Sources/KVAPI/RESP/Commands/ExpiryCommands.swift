import KVCore
import KVWire

/// Commands on when keys expire.
enum ExpiryCommands {
    static let all: [RespCommand] = [
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
        RespCommand(
            "persist", 2, [.write, .fast], .one, .generic, since: "2.2.0", "Lets a key stay for good."
        ) { arguments, session throws(RespFailure) in
            let command = session.update(.keep, requirement: .expiring, lifetime: .set(.unlimited))
            return .key(try session.key(arguments, 1), command, .changed)
        },
    ]

    private static func told(
        _ name: String, _ expectation: RespExpectation, since: String, _ summary: String
    ) -> RespCommand {
        RespCommand(name, 2, [.readonly, .fast], .one, .generic, since: since, summary) {
            arguments, session throws(RespFailure) in .key(try session.key(arguments, 1), .get, expectation)
        }
    }

    private static func expire(
        _ name: StaticString, _ unit: RespExpectation.TimeUnit, _ isAbsolute: Bool, since: String, _ summary: String
    ) -> RespCommand {
        RespCommand("\(name)", -3, [.write, .fast], .one, .generic, since: since, summary) {
            arguments, session throws(RespFailure) in
            let key = try session.key(arguments, 1)
            let requirement = try requirement(arguments)
            let time = GivenTime(value: try session.integer(arguments, 2), unit: unit, isAbsolute: isAbsolute)
            guard let lifetime = time.lifetime(wall: session.wall) else { throw .expireTime(in: name) }
            return .key(
                key, session.update(.keep, requirement: requirement, lifetime: .set(lifetime)), .changed)
        }
    }

    /// NX, XX, GT and LT.
    private static func requirement(_ arguments: RespArguments) throws(RespFailure) -> Update.Requirement {
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
                throw RespFailure.unsupportedOption(arguments[index])
            }
        }
        if nx, xx || gt || lt {
            throw RespFailure("ERR NX and XX, GT or LT options at the same time are not compatible")
        }
        if gt, lt { throw RespFailure("ERR GT and LT options at the same time are not compatible") }
        if nx { return .lasting }
        // What has no expiry is later than any, so GT alone demands one.
        if gt { return .laterExpiry }
        if lt { return xx ? .expiringAndEarlier : .earlierExpiry }
        return xx ? .expiring : .always
    }
}
