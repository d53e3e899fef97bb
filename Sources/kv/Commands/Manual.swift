import ArgumentParser
import KVConfig

/// Writes manual pages, for packages. Help does not list it: people read the pages with man.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Write the manual pages into a directory.",
        shouldDisplay: false)

    @Argument(help: "A directory that exists.", completion: .directory)
    var directory: String

    func run() throws {
        var pages = ManualPage.all(try CommandInfo.read(), version: Release.version)
        pages.append(("cluster.yaml.5", Reference.manual(version: Release.version)))
        for (name, text) in pages {
            try TextFile.write(text, to: Array("\(directory)/\(name)".utf8), next: "name a directory that exists")
        }
    }
}
