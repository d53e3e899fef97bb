import KVCore
import XCTest

@testable import KVConfig

/// The table of settings, and what is made of it.
final class SettingsTests: XCTestCase {
    func testEachSettingIsNamedOnceAndExplained() {
        for names in [Settings.all.compactMap(\.path), Settings.all.compactMap(\.flag), Settings.variables] {
            XCTAssertEqual(names.count, Set(names).count, "\(names)")
        }
        for setting in Settings.all {
            let name = setting.path ?? setting.flag ?? ""
            XCTAssertFalse(name.isEmpty)
            XCTAssertTrue(setting.summary.hasSuffix("."), name)
            XCTAssertFalse(setting.summary.contains("\n"), name)
            XCTAssertFalse(setting.values.isEmpty, name)
            if let flag = setting.flag { XCTAssertTrue(flag.hasPrefix("--"), name) }
            if let variable = setting.variable { XCTAssertTrue(variable.hasPrefix("KV_"), name) }
        }
        XCTAssertEqual(Set(Settings.sections.map(\.name)).count, Settings.sections.count)
    }

    /// The default and the example are values that the setting takes, and are written as they are read.
    func testDefaultsAndExamplesAreRead() throws {
        for field in Settings.fileFields {
            var file = ClusterFile.standard
            if let standard = field.setting.standard, standard != "null" { try field.assign(&file, standard) }
            XCTAssertEqual(file, .standard, field.setting.path ?? "")
            let example = try XCTUnwrap(field.setting.example, field.setting.path ?? "")
            try field.assign(&file, example)
            XCTAssertNotEqual(file, .standard, field.setting.path ?? "")
            XCTAssertEqual(field.notation(file), example)
        }
        for field in Settings.nodeFields {
            var node = ClusterFile.standard.nodes[0]
            let example = try XCTUnwrap(field.setting.example, field.setting.path ?? "")
            try field.assign(&node, example)
            XCTAssertEqual(field.notation(node), example)
        }
    }

    func testTheExampleSetsEveryKey() throws {
        let file = try parse(Reference.example())
        XCTAssertEqual(file.nodes.map(\.id), ["n1", "n2", "n3"])
        for path in Settings.all.compactMap(\.path) {
            let path = path.replacing("nodes[]", with: "nodes[n2]")
            XCTAssertNotNil(file.origins[path], path)
        }
    }

    func testTheTemplateIsValidAsItIsAndWithEverythingUncommented() throws {
        let template = Reference.template(dataDirectory: "/var/lib/kv")
        let file = try parse(template)
        XCTAssertEqual(file.dataDirectory, "/var/lib/kv")
        XCTAssertEqual(file.nodes.map(\.id), ["n1"])
        XCTAssertEqual(
            Set(file.origins.keys), ["cluster.name", "nodes", "nodes[n1].id", "data_dir"], "the rest is commented out")
        XCTAssertTrue(template.split(separator: "\n").allSatisfy { $0.count <= 100 })

        // Behind the # of a key that is commented out is its name, or two spaces and its name; that of a comment has
        // one space.
        let uncommented = template.replacing(/(?m)^( *)#(|  )([a-z_]+:( .*)?)$/) {
            "\($0.output.1)\($0.output.2)\($0.output.3)"
        }
        let full = try parse(uncommented)
        let absent = Settings.all.filter { setting in
            guard let path = setting.path, setting.standard != "null" else { return false }
            return full.origins[path.replacing("nodes[]", with: "nodes[n1]")] == nil
        }
        XCTAssertEqual(absent.compactMap(\.path), [], "\(uncommented)")
        XCTAssertEqual(full.settings, file.settings)
        XCTAssertEqual(full.storage, ClusterFile.standard.storage)
        XCTAssertEqual(full.limits, ClusterFile.standard.limits)
        XCTAssertEqual(full.log, ClusterFile.standard.log)
    }

    func testTheDocumentIsWhatTheTableSays() throws {
        let document = try String(contentsOfFile: root + "docs/configuration.md", encoding: .utf8)
        XCTAssertTrue(
            document == Reference.markdown(),
            "write it anew: .build/debug/kv config reference --format markdown > docs/configuration.md")
    }

    /// Other documents name settings and variables that there are.
    func testDocumentsNameWhatThereIs() throws {
        let known = Set(Settings.variables + ["KV_ENDPOINT", "KV_TIMEOUT", "KV_CI", "KV_VERSION", "KV_COMMIT"])
        let sections = Set(Settings.sections.map(\.name).filter { !$0.isEmpty })
        for name in try FileManager.default.contentsOfDirectory(atPath: root + "docs") where name.hasSuffix(".md") {
            let text = try String(contentsOfFile: root + "docs/" + name, encoding: .utf8)
            for match in text.matches(of: /KV_[A-Z_]+/) {
                XCTAssertTrue(known.contains(String(match.output)), "\(name): \(match.output)")
            }
            for match in text.matches(of: /`([a-z]+)\.([a-z_]+)(:[^`]*)?`/)
            where sections.contains(String(match.output.1)) && match.output.2 != "yaml" {
                let path = "\(match.output.1).\(match.output.2)"
                XCTAssertNotNil(Settings.setting(path), "\(name): \(path)")
            }
        }
    }

    func testEveryManualHasEverySetting() {
        let forms = [
            Reference.text(), Reference.markdown(), Reference.manual(version: "1.2.3").replacing("\\-", with: "-"),
        ]
        for form in forms {
            for setting in Settings.all {
                for name in [setting.path, setting.flag, setting.variable].compactMap({ $0 }) {
                    XCTAssertTrue(form.contains(name), name)
                }
            }
        }
        XCTAssertTrue(Reference.text(width: 60).split(separator: "\n").allSatisfy { $0.count <= 60 })
    }

    func testAWordThatIsLongerThanALineStandsAlone() {
        XCTAssertEqual(
            Paragraph.filled("a bb\nccccccc d", width: 6, indent: 2), "  a bb\n  ccccccc\n  d\n")
        XCTAssertEqual(Paragraph.filled("", width: 6), "")
    }

    func testTextInAManualPageMeansItself() {
        XCTAssertEqual(Roff.text(".a\\b-c'd"), "\\&.a\\eb\\-c\\(aqd")
    }

    private var root: String { String(#filePath.dropLast("Tests/KVConfigTests/SettingsTests.swift".count)) }
}
