import ArgumentParser
import Glibc
import KVConfig
import KVCore

struct Put: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put",
        abstract: "Set a key.",
        discussion: """
            The value is VALUE, a file's content, or standard input. Writes the new version to standard output, for \
            --if-version. Exits 2 if the condition is not met, 75 if it is not known whether the key was set.
            """)

    @Argument(help: "Any bytes.")
    var key: RawArgument

    @Argument(help: "The value; after '--' it may begin with a dash.")
    var value: RawArgument?

    @Option(help: "Take the value from a file.")
    var file: RawArgument?

    @Option(help: ArgumentHelp("Delete it after this time, such as 30s or 10m.", valueName: "time"))
    var ttl: String?

    @OptionGroup var condition: VersionCondition

    @Flag(help: "Only if there is no such key.")
    var ifAbsent = false

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if value != nil && file != nil { throw ValidationError("give either VALUE or --file, not both") }
        if condition.ifVersion != nil && ifAbsent {
            throw ValidationError("give either --if-version or --if-absent, not both")
        }
    }

    func run() async throws {
        let key = Key(key)
        let lifetime = try ttl.map { Duration(try Self.lifetime($0)) }
        let condition = ifAbsent ? .ifAbsent : try condition.parsed()
        let client = try options.client()
        let version = try await client.put(key, try content(), lifetime: lifetime, condition: condition)
        try Output.write("\(version)\n")
    }

    /// Reads a number and a unit; the time must be above zero.
    private static func lifetime(_ text: String) throws -> Nanoseconds {
        if let span = try? Nanoseconds(notation: text), span > .zero { return span }
        let digits = text.prefix { $0.isNumber }
        let isTime = !digits.isEmpty && ["ms", "s", "m", "h", "d"].contains(text.dropFirst(digits.count))
        let isZero = digits.allSatisfy { $0 == "0" }
        let reason =
            text.hasPrefix("-") || isTime && isZero
            ? "is not above zero; to delete the key use 'kv del'"
            : isTime ? "is longer than can be kept; leave --ttl out for good" : "is not a length of time"
        throw Failure(.usage, "--ttl: '\(text)' \(reason) (a number and ms, s, m, h or d, such as 90s or 7d)")
    }

    private func content() throws -> [UInt8] {
        if let value { return value.bytes }
        guard let file else { return try Self.read(STDIN_FILENO, "standard input") }
        let name = "'\(String(decoding: file.bytes, as: UTF8.self))'"
        let descriptor = open(file.bytes.map { CChar(bitPattern: $0) } + [0], O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.unreadable(name) }
        defer { close(descriptor) }
        return try Self.read(descriptor, name)
    }

    /// Reads to the end, or fails after the largest value that any cluster accepts.
    private static func read(_ descriptor: CInt, _ name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw unreadable(name)
            }
            bytes += buffer[..<count]
            if bytes.count > ClusterFile.Limits.maximumValue {
                let limit = ByteSize.notation(ClusterFile.Limits.maximumValue)
                throw Failure(.data, "\(name) is more than \(limit), which no value may be; split it over several keys")
            }
        }
    }

    private static func unreadable(_ name: String) -> Failure {
        Failure(.data, "\(name) cannot be read, nothing was changed: \(String(cString: strerror(errno)))")
    }
}

/// The option `--if-version`.
struct VersionCondition: ParsableArguments {
    @Option(help: ArgumentHelp("Only if the key is at this version.", valueName: "version"))
    var ifVersion: String?

    func parsed() throws -> Condition {
        guard let ifVersion else { return .always }
        guard let version = Version(ifVersion) else {
            throw Failure(.usage, "--if-version: '\(ifVersion)' is not a version such as 3.1.42")
        }
        return .ifVersion(version)
    }
}
