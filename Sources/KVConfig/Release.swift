import CRelease

/// The version of this program. Package.swift has the version, and the Makefile passes the commit.
package enum Release {
    /// The version, by the rules of semver.org.
    package static let version = String(cString: kv_release_version())

    /// The commit that was built, abbreviated, with a `+` at the end if the work tree differed from it. Nil if it is
    /// not known.
    package static let commit: String? = {
        let commit = String(cString: kv_release_commit())
        return commit.isEmpty ? nil : commit
    }()

    /// `0.3.0 (1a2b3c4d5e)`
    package static var description: String { commit.map { "\(version) (\($0))" } ?? version }
}
