import KVWire

/// One command: its description, as `COMMAND` gives it, and the function that carries it out.
final class RESPCommand: Sendable {
    typealias Run = @Sendable (RESPArguments, inout RESPSession) throws(RESPFailure) -> RESPDecision

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt16
        static let write = Self(rawValue: 1)
        static let readonly = Self(rawValue: 2)
        static let denyoom = Self(rawValue: 4)
        static let admin = Self(rawValue: 8)
        static let noscript = Self(rawValue: 16)
        static let loading = Self(rawValue: 32)
        static let stale = Self(rawValue: 64)
        static let fast = Self(rawValue: 128)
        static let noAuth = Self(rawValue: 256)
        static let allowBusy = Self(rawValue: 512)
        /// The command waits until all requests before it on its connection have been answered. (Not a flag of Redis.)
        static let alone = Self(rawValue: 1 << 15)
        /// Those of most commands of a connection.
        static let connection: Self = [.loading, .stale, .fast]

        /// In Redis's order.
        static let names: [(Self, StaticString)] = [
            (.write, "write"), (.readonly, "readonly"), (.denyoom, "denyoom"), (.admin, "admin"),
            (.noscript, "noscript"), (.loading, "loading"), (.stale, "stale"), (.fast, "fast"), (.noAuth, "no_auth"),
            (.allowBusy, "allow_busy"),
        ]
    }

    /// Where the keys are among the arguments; a last below 0 counts from the end.
    struct Keys: Sendable {
        var first: Int
        var last: Int
        var step: Int

        static let none = Self(first: 0, last: 0, step: 0)
        static let one = Self(first: 1, last: 1, step: 1)
        static let all = Self(first: 1, last: -1, step: 1)
        static let pairs = Self(first: 1, last: -1, step: 2)
        /// Of a subcommand.
        static let second = Self(first: 2, last: 2, step: 1)
    }

    enum Group: String, Sendable { case string, generic, connection, server, cluster }

    /// In lower case; of a subcommand, its own.
    let name: String
    /// `client|list`, as messages show it.
    let fullName: String
    /// With the name; below 0: at least so many.
    let arity: Int
    let flags: Flags
    let keys: Keys
    let group: Group
    /// The version of Redis that had it first, and what it does.
    let since: String
    let summary: String
    let subcommands: [RESPCommand]
    let run: Run

    init(
        _ name: String, _ arity: Int, _ flags: Flags, _ keys: Keys = .none, _ group: Group, since: String,
        _ summary: String, of container: String? = nil, _ run: @escaping Run
    ) {
        self.name = name
        fullName = container.map { "\($0)|\(name)" } ?? name
        self.arity = arity
        self.flags = flags
        self.keys = keys
        self.group = group
        self.since = since
        self.summary = summary
        subcommands = []
        self.run = run
    }

    /// A command that is only a container of others, or does something without any.
    init(
        _ name: String, _ arity: Int, _ flags: Flags, _ group: Group, since: String, _ summary: String,
        subcommands: [RESPCommand], alone: @escaping Run = { _, _ throws(RESPFailure) in .answer(.failure(.syntax)) }
    ) {
        self.name = name
        fullName = name
        self.arity = arity
        self.flags = flags
        keys = .none
        self.group = group
        self.since = since
        self.summary = summary
        self.subcommands = subcommands + [Self.help(of: name, subcommands, group)]
        run = alone
    }

    /// The help of a container, as Redis gives it: each subcommand with its summary.
    private static func help(of name: String, _ subcommands: [RESPCommand], _ group: Group) -> RESPCommand {
        var lines = ["\(name.uppercased()) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
        for subcommand in subcommands { lines += [subcommand.name.uppercased(), "    \(subcommand.summary)"] }
        lines += ["HELP", "    Print this help."]
        let answer = RESPAnswer.array(lines.map(RESPAnswer.text))
        return RESPCommand(
            "help", 2, [.loading, .stale], .none, group, since: "5.0.0", "Returns helpful text about the subcommands.",
            of: name
        ) { _, _ throws(RESPFailure) in .answer(answer) }
    }

    /// Whether so many arguments, with the name, are right.
    func takes(_ count: Int) -> Bool { arity >= 0 ? count == arity : count >= -arity }

    /// The command or subcommand that a request is for, its number of arguments checked.
    func resolved(_ arguments: RESPArguments) throws(RESPFailure) -> RESPCommand {
        guard takes(arguments.count) else { throw .arguments(of: fullName) }
        guard !subcommands.isEmpty, arguments.count > 1 else { return self }
        guard let subcommand = subcommands.first(where: { $0.isCalled(arguments[1]) }) else {
            throw .unknownSubcommand(arguments[1], of: name)
        }
        guard subcommand.takes(arguments.count) else { throw .arguments(of: subcommand.fullName) }
        return subcommand
    }

    private func isCalled(_ given: UnsafeRawBufferPointer) -> Bool {
        given.count == name.utf8.count && zip(given, name.utf8).allSatisfy { lowercased($0) == $1 }
    }
}

@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
}
