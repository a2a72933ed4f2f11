"""Layers: imports point down only. This reads the sources: a checkout, not a wheel."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "fastconv"

# From the top down. A module may import from its own level only where that level says so, and
# otherwise from levels below. "algorithms" and "kernels" hold siblings that know nothing of
# each other.
LEVELS = [
    ("command line", r"cli|_demo(\..*)?|_bench(\..*)?", True),
    ("testing", r"testing(\..*)?", True),
    ("public", r"|conv|pool|plan", False),
    ("calls", r"_call", False),
    ("docstrings and parts", r"_ranks|_parts", False),
    ("selection", r"_select", False),
    ("fallback", r"_fallback", False),
    ("runtime", r"runtime", False),
    ("algorithms", r"_algorithms(\.(?!record$).*)?|_pooling(\..*)?", False),
    ("records", r"_algorithms\.record", False),
    ("description", r"_desc", False),
    ("core", r"_core(\..*)?", True),
    ("kernels", r"_kernels(\..*)?", True),
]

IMPORTS = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>fastconv[\w.]*)[ \t]+c?import[ \t]+"
    r"(?P<names>\([^)]*\)|[^\n#]+)|c?import[ \t]+(?P<plain>fastconv[\w.]*))",
    re.MULTILINE,
)

pytestmark = pytest.mark.needs(SOURCE.is_dir(), "the sources beside the tests")


def modules():
    """Every module of the package, by dotted name without the package's own."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py*")):
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
        for match in IMPORTS.finditer(path.read_text()):
            if match["plain"]:
                result.add(match["plain"].partition(".")[2])
                continue
            origin = match["origin"].partition(".")[2]
            for word in re.sub(r"#.*", "", match["names"]).strip("()").split(","):
                imported = word.split(" as ")[0].strip()
                inner = f"{origin}.{imported}".strip(".")
                result.add(inner if inner in MODULES else origin)
    return result - {name}


def level(name):
    for index, (_, pattern, _) in enumerate(LEVELS):
        if re.fullmatch(pattern, name):
            return index
    raise AssertionError(f"{name or 'the package'} has no level: see LEVELS in this test")


def algorithm_of(name):
    """The file or folder of one algorithm that a module belongs to."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "fastconv")
def test_imports_point_down(name):
    mine = level(name)
    for other in imports(name):
        theirs = level(other)
        same_level_is_allowed = (LEVELS[mine][2] or name == "" or other == ""
                                 or algorithm_of(name) == algorithm_of(other))
        assert theirs > mine or (theirs == mine and same_level_is_allowed), (
            f"{name or 'fastconv'} ({LEVELS[mine][0]}) imports "
            f"{other or 'fastconv'} ({LEVELS[theirs][0]})"
        )


def test_algorithms_do_not_import_each_other():
    for package in ("_algorithms", "_pooling"):
        for name in MODULES:
            if name.startswith(package + ".") and not name.endswith(".record"):
                others = {o for o in imports(name) if o.startswith(("_algorithms", "_pooling"))
                          and algorithm_of(o) != algorithm_of(name)}
                assert others <= {"_algorithms.record"}, name


def test_only_threads_uses_openmp():
    for name, paths in MODULES.items():
        for path in paths:
            text = re.sub(r"#.*", "", path.read_text())
            uses = re.search(r"\bprange\s*\(|\bimport prange\b|<omp\.h>|\bomp_\w+\(|cimport openmp",
                             text)  # fmt: skip
            # a loop of their own, with a number of threads from that module
            counted = "next_slice(&" in text and "cimport openmp" not in text
            assert not uses or name == "_core.threads" or counted, f"{path.name}: {uses[0]}"
    for path in (*SOURCE.rglob("*.c"), *SOURCE.rglob("*.h")):
        assert "omp" not in re.findall(r"#\s*(?:pragma\s+|include\s+<)(\w+)", path.read_text())


def test_only_the_dispatcher_imports_kernels_of_a_level():
    for name, paths in MODULES.items():
        for path in paths:
            if re.search(r"_kernels_\{|_kernels_(baseline|avx2|avx512)", path.read_text()):
                assert name == "_kernels.dispatch", path


def test_public_functions_hold_no_loops():
    """conv, pool and plan describe, select and run: work belongs below."""
    for name in ("conv", "pool", "plan"):
        for path in MODULES[name]:
            code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
            loops = re.findall(r"^\s*(?:for|while)\b.*", code, re.MULTILINE)
            # explain(measure=True) repeats what it times.
            assert [line.strip() for line in loops] in ([], ["for _ in range(3):"]), path


def test_the_library_does_not_need_its_own_tests():
    for name in MODULES:
        if level(name) > 1:
            assert not any(other.startswith("testing") for other in imports(name)), name


def test_every_import_is_seen():
    """The expression finds what it should, so that the tests above are not empty."""
    assert imports("conv") >= {"_call", "_select", "_desc"}
    assert imports("_algorithms.direct") >= {"_core.threads", "_desc", "_kernels.dispatch"}
    assert sum(len(imports(name)) for name in MODULES) > 30
