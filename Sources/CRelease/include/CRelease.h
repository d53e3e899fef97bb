// Which version of the program this is. Package.swift defines both for the one file that uses them, so that a new
// commit does not compile anything else anew.
#ifndef KV_CRELEASE_H
#define KV_CRELEASE_H

/// By semver.org: `0.3.0`, `0.3.0-dev`.
const char *kv_release_version(void);

/// The commit that was built, abbreviated; with `+` behind it where the work tree differed from it. Empty where that is
/// not known.
const char *kv_release_commit(void);

#endif
