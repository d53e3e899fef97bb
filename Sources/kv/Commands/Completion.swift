import ArgumentParser

struct Completion: ParsableCommand {
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    static let configuration = CommandConfiguration(
        commandName: "completion",
        abstract: "Write a shell's completion script.",
        discussion: """
            bash: kv completion bash > /etc/bash_completion.d/kv
            zsh: kv completion zsh > "${fpath[1]}/_kv"
            fish: kv completion fish > ~/.config/fish/completions/kv.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let script =
            switch shell {
            case .bash: KV.completionScript(for: .bash)
            case .zsh: KV.completionScript(for: .zsh)
            case .fish: KV.completionScript(for: .fish)
            }
        try Output.write(script.hasSuffix("\n") ? script : script + "\n")
    }
}
