import KVCore
import KVWire

/// Commands on a string as a whole.
enum StringCommands {
    static let all: [RESPCommand] = [
        RESPCommand("get", 2, [.readonly, .fast], .one, .string, since: "1.0.0", "Gives a key's value.", get),
        RESPCommand("set", -3, [.write, .denyoom], .one, .string, since: "1.0.0", "Puts a value under a key.", set),
        RESPCommand(
            "setnx", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0",
            "Puts a value under a key that is absent.", setnx),
        RESPCommand(
            "setex", 4, [.write, .denyoom], .one, .string, since: "2.0.0", "Puts a value that expires after seconds."
        ) { arguments, session throws(RESPFailure) in try put(arguments, session, .seconds, "setex") },
        RESPCommand(
            "psetex", 4, [.write, .denyoom], .one, .string, since: "2.6.0",
            "Puts a value that expires after milliseconds."
        ) { arguments, session throws(RESPFailure) in try put(arguments, session, .milliseconds, "psetex") },
        RESPCommand(
            "getset", 3, [.write, .denyoom, .fast], .one, .string, since: "1.0.0",
            "Puts a value and gives the one before.", getset),
        RESPCommand(
            "getdel", 2, [.write, .fast], .one, .string, since: "6.2.0", "Deletes a key and gives its value.", getdel),
        RESPCommand(
            "getex", -2, [.write, .fast], .one, .string, since: "6.2.0", "Gives a value and changes its expiry.", getex),
        RESPCommand(
            "mget", -2, [.readonly, .fast], .all, .string, since: "1.0.0",
            "Gives the values of several keys, each by itself.", mget),
        RESPCommand(
            "mset", -3, [.write, .denyoom], .pairs, .string, since: "1.0.1",
            "Puts values under several keys, each by itself.", mset),
        RESPCommand(
            "append", 3, [.write, .denyoom, .fast], .one, .string, since: "2.0.0", "Appends to a value.", append),
        RESPCommand(
            "strlen", 2, [.readonly, .fast], .one, .string, since: "2.2.0", "Gives the length of a value.", strlen),
        RESPCommand("getrange", 4, [.readonly], .one, .string, since: "2.4.0", "Gives a part of a value.", getrange),
        RESPCommand(
            "setrange", 4, [.write, .denyoom], .one, .string, since: "2.2.0", "Overwrites a part of a value.", setrange),
    ]

    private static func get(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        .key(try session.key(arguments, 1), .get, .value)
    }

    private static func set(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let key = try session.key(arguments, 1)
        if arguments.count == 3 { return .key(key, .put(Put(value: try session.value(arguments, 2))), .done) }
        let options = try SetOptions(arguments, session)
        return .key(key, try options.command(value: try session.value(arguments, 2), session), options.expectation)
    }

    private static func setnx(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let put = Put(value: try session.value(arguments, 2), condition: .ifAbsent)
        return .key(try session.key(arguments, 1), .put(put), .changed)
    }

    private static func put(
        _ arguments: RESPArguments, _ session: RESPSession, _ unit: RESPExpectation.TimeUnit, _ command: StaticString
    ) throws(RESPFailure) -> RESPDecision {
        let time = GivenTime(value: try session.integer(arguments, 2), unit: unit, isAbsolute: false)
        let lifetime = try time.lifetimeAhead(wall: session.wall, in: command)
        let put = Put(value: try session.value(arguments, 3), lifetime: lifetime)
        return .key(try session.key(arguments, 1), .put(put), .written)
    }

    private static func getset(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let value = try session.value(arguments, 2)
        let command = session.update(.set(value, contentType: ""), lifetime: .set(.unlimited), returnsPrevious: true)
        return .key(try session.key(arguments, 1), command, .previous)
    }

    private static func getdel(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        .key(try session.key(arguments, 1), session.update(.remove, returnsPrevious: true), .previous)
    }

    private static func getex(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let key = try session.key(arguments, 1)
        guard arguments.count > 2 else { return .key(key, .get, .value) }
        var time: TimeOption?
        var persists = false
        var index = 2
        while index < arguments.count {
            if arguments.matches(index, "PERSIST"), time == nil {
                persists = true
            } else if !persists, let option = TimeOption(arguments, &index, after: time) {
                time = option
            } else {
                throw .syntax
            }
            index += 1
        }
        var lifetime = Lifetime.unlimited
        do throws(RESPFailure) {
            lifetime = try time?.lifetime(arguments, session, in: "getex") ?? .unlimited
        } catch {
            return .key(key, .get, .refusal(error))
        }
        let command = session.update(.keep, lifetime: .set(lifetime), returnsPrevious: true)
        return .key(key, command, .previous)
    }

    private static func mget(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        try .keys(KeyCommands.each(arguments, session, .get, .value, .all))
    }

    private static func mset(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        guard arguments.count % 2 == 1 else { throw .arguments(of: "mset") }
        var parts: [(key: Key, command: Command)] = []
        parts.reserveCapacity(arguments.count / 2)
        for index in stride(from: 1, to: arguments.count, by: 2) {
            let value = try session.value(arguments, index + 1)
            parts.append((try session.key(arguments, index), .put(Put(value: value))))
        }
        return .keys(RESPGathering(parts, .written, .done, limit: session.gatheringLimit))
    }

    // MARK: Parts of a value

    private static func append(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        guard arguments[2].count <= session.limits.value else { throw .tooLong }
        return .key(try session.key(arguments, 1), session.update(.append(arguments.array(2))), .result)
    }

    private static func strlen(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        .key(try session.key(arguments, 1), .get, .length)
    }

    private static func getrange(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let start = try session.integer(arguments, 2)
        let end = try session.integer(arguments, 3)
        return .key(try session.key(arguments, 1), .get, .range(start: start, end: end))
    }

    private static func setrange(
        _ arguments: RESPArguments, _ session: inout RESPSession
    ) throws(RESPFailure) -> RESPDecision {
        let key = try session.key(arguments, 1)
        let offset = try session.integer(arguments, 2)
        guard offset >= 0 else { throw .offset }
        let count = arguments[3].count
        // Nothing is changed then, wherever it would be.
        guard count > 0 else { return .key(key, .get, .length) }
        guard offset <= Int64(session.limits.value), Int(offset) + count <= session.limits.value else { throw .tooLong }
        return .key(key, session.update(.overwrite(offset: Int(offset), arguments.array(3))), .result)
    }
}
