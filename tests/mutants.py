"""Small mistakes to plant in the sources: made by rule, drawn by chance. `mutate` runs them.

A mutant is one line of the package, changed in one place. Comments, strings, declarations and what
only decides about speed are left alone.
"""

import collections
import random
import re
from pathlib import Path
from typing import NamedTuple

FOLDERS = ("_algorithms", "_pooling", "_desc", "_call", "_core", "_kernels")
SUFFIXES = (".py", ".pyx", ".pxd", ".h", ".c")

# (of which path, of which function, why): no mistake there is one that a test could find.
EXCLUDED = [
    (r"/(cost|peak|machine)\.p\w+$|/cores\.py$|/peak_type\.h$", r"", "estimates and measures time"),
    (r"/(vector|table|emulated_avx512)\.h$|/dispatch\.", r"", "declares, or shapes tiles"),
    (r"", r"cost|seconds|work(space)?$|cycles|_cost$|reads_again", "estimates time or memory"),
    (r"", r"(choose|try|plan|fastest|shrink|balance|block|cut|shared|share|count)_?\w*$|"
          r"(make|set)_blocks|should_|_in_cache$|lines_fit|rows_crowd|_parts$|outputs_for|"
          r"budget|threads_for|is_long|is_awake|note_call|team_of|find_trims|taps_left",
     "chooses between blocks or ways that all give the right result"),
]  # fmt: skip
# Lines that only ask for something to be faster, or that declare.
LEFT_ALONE = re.compile(
    r"prefetch|FC_UNROLL\s*$|^\s*#|\bimport\b|^\s*(cdef\s+)?(extern|struct|enum|ctypedef)\b|"
    r"^cdef [\w ]+ [A-Z][A-Z_0-9]+ *=|^[A-Z][A-Z_0-9]+ *=|static_assert|^\s*@|"
    r"^\s*(cdef|cpdef|def|static|FC_INLINE)\b.*[({,]\s*$|^\s*cdef [\w *]+\[[\w ]+\]\s*$|"
    r"raise \w*Memory"
)

# What is looked for in code, and what takes its place; {} is what was found as a number.
RULES = [
    ("comparison", r" < ", (" <= ",)), ("comparison", r" <= ", (" < ",)),
    ("comparison", r" > ", (" >= ",)), ("comparison", r" >= ", (" > ",)),
    ("equality", r" == ", (" != ",)), ("equality", r" != ", (" == ",)),
    ("logic", r" and ", (" or ",)), ("logic", r" or ", (" and ",)),
    ("logic", r" && ", (" || ",)), ("logic", r" \|\| ", (" && ",)),
    ("negation", r"\bnot (?!in\b)", ("",)), ("negation", r"(?<![\w!=])!(?=[\w(])", ("",)),
    ("one more", r" \+ 1\b(?!\.)", (" - 1", "")), ("one less", r" - 1\b(?!\.)", (" + 1", "")),
    ("sign", r" \+ (?!1\b)", (" - ",)), ("sign", r" - (?!1\b)", (" + ",)),
    ("sign", r" \+= ", (" -= ", " = ")), ("sign", r" -= ", (" += ",)),
    ("product", r"(?<=[\w)\]]) \* (?=[\w(])", (" + ",)), ("quotient", r" // ", (" * ",)),
    ("remainder", r" % ", (" // ",)),
    ("constant", r"(?<![\w.])[0-9](?![\w.])", ("+1", "-1")),
    ("extreme", r"\bmin\(", ("max(",)), ("extreme", r"\bmax\(", ("min(",)),
    ("truth", r"\bTrue\b", ("False",)), ("truth", r"\bFalse\b", ("True",)),
    ("loop", r"^\s*continue\b", ("break",)), ("loop", r"^\s*break\b", ("continue",)),
    ("range", r"\brange\((?=\w+\):)", ("range(1, ",)),
]  # fmt: skip

PYTHON_TEXT = re.compile(r'[rfbu]*"""(?s:.*?)"""|[rfbu]*"(?:\\.|[^"\\\n])*"|'
                         r"[rfbu]*'(?:\\.|[^'\\\n])*'|#[^\n]*")  # fmt: skip
C_TEXT = re.compile(r'/\*(?s:.*?)\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|^\s*#[^\n]*', re.MULTILINE)
PYTHON_FUNCTION = re.compile(r"^ {0,4}(?:cp?def|def|async def)\b[^(=:\n]*?(\w+)\(", re.MULTILINE)
C_FUNCTION = re.compile(r"^(?:FC_INLINE|static)\b[^(\n]*?(?:NAME\()?(\w+)\)?\(", re.MULTILINE)


class Mutant(NamedTuple):
    """A line of a file, what becomes of it, and by which rule."""

    path: str
    line: int
    rule: str
    before: str
    after: str

    @property
    def key(self):
        return f"{self.path}:{self.line}: {self.before.strip()} -> {self.after.strip()}"

    def __str__(self):
        return (f"{self.path}:{self.line} ({self.rule})\n"
                f"  - {self.before.strip()}\n  + {self.after.strip()}")  # fmt: skip

    def apply(self, root):
        """Plant it in a copy of the sources; returns what undoes that."""
        path = Path(root) / self.path
        text = path.read_text("utf-8")
        lines = text.split("\n")
        assert lines[self.line - 1] == self.before, f"{self.path} is not what it was"
        lines[self.line - 1] = self.after
        path.write_text("\n".join(lines), "utf-8")
        return lambda: path.write_text(text, "utf-8")


def blanked(text, pattern):
    """The text with comments and strings as spaces: every place stays where it was."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def enclosing(text, pattern):
    """For each line, the name of the function that it stands in, or ""."""
    begins = {text.count("\n", 0, match.start(1)): match[1] for match in pattern.finditer(text)}
    names, name = [], ""
    for number in range(text.count("\n") + 1):
        name = begins.get(number, name)
        names.append(name)
    return names


def excluded(path, function):
    """Why there are no mutants in a function of a file, or None."""
    for of_path, of_function, why in EXCLUDED:
        if re.search(of_path, path) and re.search(of_function, function):
            return why
    return None


def replaced(match, new):
    """What takes the place of a match."""
    return str(int(match[0]) + int(new)) if new in ("+1", "-1") else new


def mutants_of(path, text):
    """Every mutant of a file."""
    python = path.endswith((".py", ".pyx", ".pxd"))
    code = blanked(text, PYTHON_TEXT if python else C_TEXT).split("\n")
    functions = enclosing(text, PYTHON_FUNCTION if python else C_FUNCTION)
    for number, (line, bare, function) in enumerate(zip(text.split("\n"), code, functions)):
        if not function or LEFT_ALONE.search(bare) or excluded(path, function):
            continue
        for rule, pattern, news in RULES:
            for match in re.finditer(pattern, bare):
                for new in news:
                    if (match[0], new) != ("0", "-1"):
                        put = replaced(match, new)
                        if rule == "loop":
                            put = match[0].replace(match[0].strip(), new)
                        after = line[: match.start()] + put + line[match.end() :]
                        yield Mutant(path, number + 1, rule, line, after)


def draw(root, count, seed, of_path=None):
    """So many mutants by chance: folders, files, rules and lines in turn, so that none prevails."""
    chance = random.Random(seed)
    folders = collections.defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((Path(root) / "fastconv" / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix in SUFFIXES and (of_path is None or re.search(of_path, name)):
                found = list(mutants_of(name, path.read_text("utf-8")))
                if found:
                    chance.shuffle(found)
                    folders[folder].append(found)
    drawn = []
    while len(drawn) < count and any(folders.values()):
        for files in folders.values():
            if not files:
                continue
            # a file in proportion to the root of its size: headers are few and long
            found = chance.choices(files, [len(f) ** 0.5 for f in files])[0]
            drawn.append(take(found, {mutant.rule for mutant in drawn[-8:]}))
            if not found:
                files.remove(found)
    return drawn[:count]


def take(found, recent):
    """The first mutant of a list that is not of a rule just used, if there is one."""
    chosen = next((mutant for mutant in found if mutant.rule not in recent), found[0])
    found.remove(chosen)
    return chosen
