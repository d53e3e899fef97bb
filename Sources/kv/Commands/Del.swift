import ArgumentParser
import KVClient
import KVCore

struct Del: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del",
        abstract: "Delete keys.",
        discussion: """
            One after the other; a key that does not exist does not stop the rest, any other failure does. Exits 1 if \
            there was no such key, 2 if the condition is not met, 75 if it is not known whether a key was deleted.
            """)

    @Argument(help: "Any bytes.")
    var keys: [RawArgument]

    @OptionGroup var condition: VersionCondition

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if condition.ifVersion != nil && keys.count > 1 {
            throw ValidationError("--if-version is about one key; delete the others without it")
        }
    }

    func run() async throws {
        let keys = keys.map { Key($0) }
        let condition = try condition.parsed()
        let client = try options.client()
        var absent: [Key] = []
        for (index, key) in keys.enumerated() {
            do {
                if !(try await client.delete(key, condition: condition)) { absent.append(key) }
            } catch let error as KVError {
                var failure = Failure(error)
                if keys.count > 1 {
                    failure.message =
                        "\(key.quoted): \(failure.message) (\(index) of \(keys.count) keys were done before)"
                }
                throw failure
            }
        }
        if !absent.isEmpty {
            throw Failure(.noSuchKey, "no such key: \(absent.map(\.quoted).joined(separator: ", "))")
        }
    }
}
