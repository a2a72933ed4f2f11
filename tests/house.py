"""The house measured: files, functions and argument lists of the package, read from its sources.

``python tests/house.py`` prints what a reader has to hold in the head: lines of every file, the
longest functions and argument lists, the deepest nesting. `test_layers` holds the limits.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parent.parent / "fastconv"
SUFFIXES = (".py", ".pyx", ".pxd", ".pyi", ".h", ".c")

# The head of a Python or Cython function, up to the colon that ends it.
HEAD = re.compile(
    r"^(?P<indent>[ ]*)(?:(?:async[ ]+)?def|cp?def(?![ ]+(?:extern|enum|struct|class|packed)))\b"
    r"(?P<type>[^\n(=:]*?)(?P<name>\w+)\((?P<arguments>(?:[^()]|\([^()]*\))*)\)"
    r"[^\n:]*:[ ]*(?:#.*)?$",
    re.MULTILINE,
)
DOCSTRING = re.compile(r'^\s*[rf]?"""(?s:.*?)"""', re.MULTILINE)


class Function(NamedTuple):
    """A function: where it is, how long without its docstring, how many arguments, how deep."""

    path: Path
    line: int
    name: str
    lines: int
    arguments: int
    nesting: int
    text: str

    def __str__(self):
        return f"{self.path.relative_to(SOURCE)}:{self.line} {self.name}"


def files(suffixes=SUFFIXES):
    """The sources of the package."""
    return [path for path in sorted(SOURCE.rglob("*"))
            if path.suffix in suffixes and "__pycache__" not in path.parts]


def lines(path):
    """Lines of a file."""
    return path.read_text().count("\n")


def body(text, start, indent):
    """The lines of a block that begins at `start`, after a head that stands at `indent`."""
    kept = []
    for line in text[start:].split("\n")[1:]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join(kept)


def functions(path):
    """The functions of a Python or Cython file, methods included, of their own lines alone."""
    text = path.read_text()
    for match in HEAD.finditer(text):
        indent = len(match["indent"])
        block = body(text, match.end(), indent)
        own = [line for line in DOCSTRING.sub("", block).split("\n") if line.strip()]
        depths = [(len(line) - len(line.lstrip()) - indent) // 4 for line in own
                  if re.match(r"\s*(?:for|while|if|elif|else|try|with)\b.*:\s*(?:#.*)?$", line)]
        arguments = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", match["arguments"])
        names = [a for a in arguments.split(",") if a.strip(" *\n/")]
        yield Function(path, text.count("\n", 0, match.start()) + 1, match["name"],
                       len(own) + match[0].count("\n") + 1, len(names), max(depths, default=0),
                       match[0] + "\n" + block)


def all_functions():
    """The functions of the package."""
    return [f for path in files((".py", ".pyx", ".pxd")) for f in functions(path)]


def report(most=10):
    """What there is to read, as text."""
    found = all_functions()
    sizes = {path: lines(path) for path in files()}
    rows = [f"{len(sizes)} files, {sum(sizes.values())} lines"]
    rows += [f"{n:6d}  {path.relative_to(SOURCE)}" for path, n in sizes.items()]
    rows += ["", "The longest functions (lines without the docstring)"]
    rows += [f"{f.lines:6d}  {f}" for f in sorted(found, key=lambda f: -f.lines)[:most]]
    rows += ["", "The longest argument lists"]
    rows += [f"{f.arguments:6d}  {f}" for f in sorted(found, key=lambda f: -f.arguments)[:most]]
    rows += ["", "The deepest nesting"]
    rows += [f"{f.nesting:6d}  {f}" for f in sorted(found, key=lambda f: -f.nesting)[:most]]
    return "\n".join(rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SOURCE = Path(sys.argv[1])
    print(report())
