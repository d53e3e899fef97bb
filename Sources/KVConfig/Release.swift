import CRelease

/// Which version of this program runs. Package.swift has the version; the Makefile says the commit.
package enum Release {
    /// By semver.org.
    package static let version = String(cString: kv_release_version())

    /// The commit that was built, abbreviated; `+` at the end where the work tree differed from it. Nil where that is
    /// not known.
    package static let commit: String? = {
        let commit = String(cString: kv_release_commit())
        return commit.isEmpty ? nil : commit
    }()

    /// `0.3.0 (1a2b3c4d5e)`
    package static var description: String { commit.map { "\(version) (\($0))" } ?? version }
}
