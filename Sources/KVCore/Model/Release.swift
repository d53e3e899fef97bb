/// This program's version, by semver.org.
public enum Release {
    public static let version = "0.2.0"
}
