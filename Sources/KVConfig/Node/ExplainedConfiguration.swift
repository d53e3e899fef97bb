/// A configuration, with each of its values and the origin of each.
package struct ExplainedConfiguration: Hashable, Sendable {
    package var configuration: Configuration
    /// The values in the order of the manual.
    package var values: [SettingValue]

    /// A value that differs between two readings of a configuration.
    package struct Difference: Hashable, Sendable {
        package var path: String
        package var old: String
        package var new: String
        /// The time from which the new value counts.
        package var change: Setting.Change
    }

    /// The differences in `next`, which was read later. Secrets are compared, but not shown.
    package func differences(in next: ExplainedConfiguration) -> [Difference] {
        var olds: [String: String] = [:]
        for value in values { olds[value.path] = value.value }
        var differences = next.values.compactMap { value -> Difference? in
            guard let old = olds.removeValue(forKey: value.path), old != value.value else { return nil }
            return Difference(path: value.path, old: old, new: value.value, change: Self.change(value.path))
        }
        if configuration.secret != next.configuration.secret, !differences.contains(where: { $0.path == Self.secret }) {
            differences.append(
                Difference(path: Self.secret, old: "(not shown)", new: "(not shown)", change: Self.change(Self.secret)))
        }
        return differences
    }

    private static let secret = "security.secret"

    private static func change(_ path: String) -> Setting.Change {
        // The settings of each node have one description for all nodes.
        let general = path.hasPrefix("nodes[") ? "nodes[]" + path.drop { $0 != "]" }.dropFirst() : path
        return Settings.setting(general)?.change ?? .start
    }
}
