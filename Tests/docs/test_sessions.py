"""What the runner of the documents' sessions makes of a document, and which differences it sees."""

import os
import tempfile
import unittest

import sessions
from sessions import Lexicon, Mistake, Shell, compare

MARKED = "<!-- session: one node -->\n```console\n$ echo a # b\na\n$ echo \\\n  c\n```\n"


class Parsing(unittest.TestCase):
    def test_commands_have_the_lines_after_them(self):
        (found,) = sessions.sessions("d.md", MARKED)
        self.assertEqual((found.needs, found.place), ("one node", "d.md:2"))
        self.assertEqual(found.commands, [[3, "echo a # b", ["a"]], [5, "echo \\\n  c", []]])

    def test_every_line_of_sh_is_a_command(self):
        (found,) = sessions.sessions("d.md", "<!-- session: three nodes -->\n\n```sh\na\n\nb\n```\n")
        self.assertEqual([command for _, command, _ in found.commands], ["a", "b"])

    def test_what_is_learned_is_named(self):
        (found,) = sessions.sessions("d.md", "<!-- session: one node; learns 1.2, x -->\n```sh\na\n```\n")
        self.assertEqual(found.learns, ["1.2", "x"])

    def test_a_session_has_a_comment_and_a_comment_has_a_session(self):
        for text in (
            "```console\n$ a\n```\n", "```sh\na\n```\n", "<!-- session: one node -->\ntext\n```sh\na\n```\n",
            "<!-- session: two nodes -->\n```sh\na\n```\n", "<!-- session: not run, because -->\n```sh\na\n```\n",
            "<!-- session: one node -->\n```console\nno command\n```\n",
            MARKED + "```sh\na\n```\n",
        ):
            with self.assertRaises(Mistake, msg=text):
                sessions.sessions("d.md", text)
        self.assertEqual(sessions.sessions("d.md", "```swift\nlet a = 1\n```\n"), [])
        (found,) = sessions.sessions("d.md", "<!-- session: not run, because it is long -->\n```sh\na\n```\n")
        self.assertTrue(found.needs.startswith("not run"))


class Comparing(unittest.TestCase):
    def differs(self, expected, printed, learns=(), lexicon=None):
        return compare(expected, printed, lexicon or Lexicon({}), list(learns)) is not None

    def test_lines_are_equal_or_differ(self):
        self.assertFalse(self.differs(["a", "b"], "a\r\nb\n"))
        self.assertFalse(self.differs(["a"], "a"))
        self.assertFalse(self.differs(["a", ""], "a\n\n"))
        for printed in ("a\n", "b\na\n", "a\nb\nc\n", "ab\n", "a\nb x\n"):
            self.assertTrue(self.differs(["a", "b"], printed), printed)

    def test_dots_stand_for_text_and_for_lines(self):
        self.assertFalse(self.differs(["took ... ms"], "took 1.5 ms\n"))
        self.assertTrue(self.differs(["took ... ms"], "took 1.5 s\n"))
        for printed in ("a\nz\n", "a\nb\nc\nz\n"):
            self.assertFalse(self.differs(["a", "...", "z"], printed))
        self.assertTrue(self.differs(["a", "...", "z"], "a\nb\n"))
        self.assertTrue(self.differs(["a.b"], "axb\n"), "a dot is a dot")

    def test_what_was_learned_counts_afterwards(self):
        lexicon = Lexicon({"7401": "21000"})
        self.assertFalse(self.differs(['ETag: "1.2.3"'], 'ETag: "9.8.7"\n', ["1.2.3"], lexicon))
        self.assertEqual(lexicon.here('-H \'If-Match: "1.2.3"\' :7401'), '-H \'If-Match: "9.8.7"\' :21000')
        self.assertFalse(self.differs(["is 1.2.3"], "is 9.8.7\n", ["1.2.3"], lexicon))
        self.assertTrue(self.differs(["is 1.2.3"], "is 9.9.9\n", ["1.2.3"], lexicon))
        self.assertTrue(self.differs(["4 and 4"], "5 and 6\n", ["4"]), "one text is one value")

    def test_ports_are_translated_both_ways(self):
        lexicon = Lexicon({"7401": "21000", "7402": "7401"})
        self.assertEqual(lexicon.here(":7401 :7402 :17401"), ":21000 :7401 :17401")
        self.assertEqual(lexicon.document(":21000 :7401"), ":7401 :7402")


class Running(unittest.TestCase):
    def test_a_shell_keeps_its_variables_and_tells_how_a_command_ended(self):
        with tempfile.TemporaryDirectory() as directory:
            shell = Shell(directory, dict(os.environ))
            try:
                self.assertEqual(shell.run("export A=1 # a comment"), ("", 0))
                self.assertEqual(shell.run("echo $A; echo b >&2"), ("1\nb\n", 0))
                self.assertEqual(shell.run("cat; false"), ("", 1))
                with self.assertRaises(Mistake):
                    shell.run("exit 0")
            finally:
                shell.close()


if __name__ == "__main__":
    unittest.main()
