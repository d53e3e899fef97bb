import KVCore

extension ClusterFile {
    /// The most nodes that a file may list.
    package static let maximumNodes = 1000

    /// Reads the text of a `cluster.yaml`.
    /// - Parameter name: the file's name, for messages.
    package static func parse(_ bytes: [UInt8], name: String) throws(ConfigurationError) -> ClusterFile {
        var reader = FieldReader(file: name)
        var file = ClusterFile.standard
        do {
            file.read(try YAMLTree.parse(bytes), &reader)
        } catch {
            reader.report(error.mark, error.message)
        }
        guard reader.problems.isEmpty else { throw reader.error }
        return file
    }

    private mutating func read(_ root: YAMLNode?, _ reader: inout FieldReader) {
        let top = reader.section(root, path: "", kind: "")
        guard top.isMapping else { return }
        for section in Settings.sections where section.name != "nodes" {
            let fields = Settings.fields(of: section.name)
            let mapping =
                section.name.isEmpty
                ? top : reader.section(top.values[section.name], path: section.name, kind: section.name)
            origins.merge(reader.read(fields, mapping, into: &self)) { $1 }
            if section.name == "cluster" { checkName(mapping, &reader) }
        }
        readNodes(top, &reader)
        readSeeds(top, &reader)
        for problem in contradictions { reader.report(problem) }
    }

    private func checkName(_ cluster: FieldReader.Section, _ reader: inout FieldReader) {
        guard cluster.isMapping, cluster.values["name"] == nil else { return }
        reader.report(
            cluster.mark,
            "cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)")
    }

    /// Values that contradict each other. At least one of each pair is not a default.
    var contradictions: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        if limits.inFlight < limits.value, let place = origins["limits.in_flight"] ?? origins["limits.value"] {
            problems.append(
                ConfigurationProblem(
                    place: place,
                    message: "limits.in_flight (\(ByteSize.notation(limits.inFlight))) must be at least limits.value"
                        + " (\(ByteSize.notation(limits.value)))"))
        }
        if storage.segment / 2 < limits.value + limits.key,
            let place = origins["storage.segment"] ?? origins["limits.value"] ?? origins["limits.key"]
        {
            problems.append(
                ConfigurationProblem(
                    place: place,
                    message: "storage.segment (\(ByteSize.notation(storage.segment))) must hold two records of the"
                        + " largest size: limits.key plus limits.value, twice"))
        }
        return problems
    }
}
