/// A table of text. Columns are as wide as their widest cell, and two spaces apart.
struct TextTable {
    enum Alignment { case left, right }

    private let columns: [(title: String, alignment: Alignment)]
    private var rows: [[String]]

    init(_ columns: [(title: String, alignment: Alignment)]) {
        self.columns = columns
        rows = [columns.map(\.title)]
    }

    /// Adds a row, with a cell for each column.
    mutating func add(_ row: [String]) { rows.append(row) }

    var lines: [String] {
        let widths = columns.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, zip(columns, widths)).map { cell, format in
                let space = String(repeating: " ", count: format.1 - cell.count)
                return format.0.alignment == .left ? cell + space : space + cell
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}
