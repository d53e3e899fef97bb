/// The name in `known` that `name` is most likely meant to be; nil when none is similar.
package func nearest(to name: String, in known: [String]) -> String? {
    // A text that is much longer than every name is similar to none, and would only cost time.
    guard name.utf8.count <= 40 else { return nil }
    let candidates = known.map { ($0, editDistance(Array(name.utf8), Array($0.utf8))) }
    guard let best = candidates.min(by: { $0.1 < $1.1 }) else { return nil }
    return best.1 <= max(1, max(name.utf8.count, best.0.utf8.count) / 3) ? best.0 : nil
}

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (Damerau and
/// Levenshtein). Case does not count.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    let a = a.map(lowercased), b = b.map(lowercased)
    var rows = [Array(0...b.count)]
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[i - 1][j - 1] + 1) }
            row.append(cost)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}

private func lowercased(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
}
