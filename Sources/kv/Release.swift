/// This program's version, by semver.org.
enum Release {
    static let version = "0.2.0"
}
