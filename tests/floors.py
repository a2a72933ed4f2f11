"""The floors of the house, and what stands on each, read from the sources: a checkout, not a wheel.

`test_layers` holds that imports point down; `docs/from_sources.py` draws the floors and lists their
modules for the page on the architecture.
"""

import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "fastconv"

# From the top down, by patterns of the modules' names: six floors, and what is built on the roof. A
# module imports from its own floor and from those below.
FLOORS = {
    "tools": r"|cli|_demo(\..*)?|_bench(\..*)?|testing(\..*)?",
    "API": r"conv|pool|plan|quantized|separable|stream|_ranks|ndimage|(dask|_?signal)(\..*)?",
    "call": r"_call(\..*)?|_select|_fallback|_parts|runtime",
    "algorithms and pooling": r"_algorithms(\..*)?|_pooling(\..*)?|_filters(\..*)?",
    "desc": r"_desc(\..*)?",
    "core": r"_core(\..*)?",
    "kernels": r"_kernels(\..*)?",
}

IMPORTS = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>fastconv[\w.]*)[ \t]+c?import[ \t]+"
    r"(?P<names>\([^)]*\)|[^\n#]+)|c?import[ \t]+(?P<plain>fastconv[\w.]*))",
    re.MULTILINE,
)
DOCSTRING = re.compile(r'\A(?:\s*#.*\n)*\s*[rf]?"""(?P<text>(?s:.*?))"""')
COMMENT = re.compile(r"\A/\*\s*(?P<text>(?s:.*?))\*/")


def modules():
    """Every module of the package, by dotted name without the package's own: its files."""
    found = {}
    for path in sorted(SOURCE.rglob("*.p*")):
        if path.suffix not in (".py", ".pyx", ".pxd") or "__pycache__" in path.parts:
            continue
        if path.name == "list_sources.py":  # of the build, not of the package
            continue
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.setdefault(name, []).append(path)
    return found


MODULES = modules()


def imports(name):
    """The modules of the package that a module imports, anywhere in its sources."""
    result = set()
    for path in MODULES[name]:
        for match in IMPORTS.finditer(path.read_text("utf-8")):
            if match["plain"]:
                result.add(match["plain"].partition(".")[2])
                continue
            origin = match["origin"].partition(".")[2]
            for word in re.sub(r"#.*", "", match["names"]).strip("()").split(","):
                imported = word.split(" as ")[0].strip()
                inner = f"{origin}.{imported}".strip(".")
                result.add(inner if inner in MODULES else origin)
    return result - {name}


def floor(name):
    """How many floors lie above a module's."""
    for index, pattern in enumerate(FLOORS.values()):
        if re.fullmatch(pattern, name):
            return index
    raise AssertionError(f"{name or 'the package'} stands on no floor: see FLOORS")


def summary(paths):
    """What the files of a module begin with: the first paragraph of docstring or comment."""
    for path in paths:
        text = path.read_text("utf-8")
        match = (COMMENT if path.suffix in (".c", ".h") else DOCSTRING).match(text)
        if match:
            paragraph = match["text"].split("\n\n")[0].split("\n *\n")[0]
            return " ".join(re.sub(r"^ \* ?", "", paragraph, flags=re.MULTILINE).split())
    return ""


def kernel_sources():
    """The C sources of the micro-kernels, which are no modules."""
    return sorted(path for path in (SOURCE / "_kernels").iterdir() if path.suffix in (".c", ".h"))


def lines(paths):
    """Lines of these files together."""
    return sum(path.read_text("utf-8").count("\n") for path in paths)
