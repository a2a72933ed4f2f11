"""Documentation: every example of the pages runs, and nothing public and no test is missing."""

import ast
import doctest
import importlib.util
import itertools
import math
import re
from pathlib import Path
from types import SimpleNamespace

import floors
import pytest

import fastconv
from fastconv._select import ALGORITHMS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

pytestmark = pytest.mark.needs(DOCS.is_dir(), "the documentation beside the tests")

PAGES = [
    page
    for page in (ROOT / "README.md", *sorted(DOCS.rglob("*.rst")))
    if page.exists() and ">>>" in page.read_text("utf-8") and "generated" not in page.parts
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples(page):
    text = page.read_text("utf-8")
    for name in re.findall(r"^>>> import (dask|xarray)\b", text, flags=re.MULTILINE):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if page.suffix == ".md":  # the fence after an example is not what it prints
        text = text.replace("\n```", "\n\n```")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted
    assert not result.failed, "".join(report)


def test_reference_is_complete():
    """Each public name has its line in the API reference."""
    lines = (DOCS / "reference" / "index.rst").read_text("utf-8").splitlines()
    assert set(fastconv.__all__) <= {line.strip() for line in lines}


def table_of_tests():
    """File of tests -> kind, by the table of the page on testing."""
    page = (DOCS / "dev" / "testing.rst").read_text("utf-8")
    table = page[page.index("Kinds of tests") :]
    found = {}
    for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[2:]:
        kind, files, _ = re.split(r"^     - ", row, maxsplit=2, flags=re.MULTILINE)
        for name in re.findall(r"``(test_\w+\.py)``", files):
            assert name not in found, f"{name} stands in two rows"
            found[name] = kind.strip()
    return found


def test_the_table_of_tests_is_complete():
    """Each file of tests stands in it once, under the kind that its docstring begins with."""
    found = table_of_tests()
    files = {path.name: path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")}
    assert set(found) == set(files)
    for name, kind in found.items():
        assert files[name].startswith(f'"""{kind}: '), f"{name} does not begin with {kind!r}"


def test_a_skip_means_that_an_optional_package_is_absent():
    """What a machine lacks is not skipped but not covered: the mark `needs`."""
    for path in Path(__file__).parent.glob("*.py"):
        others = re.findall(r"(?:pytest|mark)\.(?:skip|xfail)\w*", path.read_text("utf-8"))
        assert not others, (path.name, others)


def promises():
    """Every row of the tables of promises: the promise, and the (file, test) that hold it."""
    page = (DOCS / "promises.rst").read_text("utf-8")
    for table in re.findall(r"^\.\. list-table::\n(?:(?: .*)?\n)+", page, flags=re.MULTILINE):
        for row in re.split(r"^   \* - ", table, flags=re.MULTILINE)[2:]:
            promise, held_by = re.split(r"^     - ", row, flags=re.MULTILINE)
            yield promise.strip(), re.findall(r"``(test_\w+\.py)::(test_\w+)``", held_by)


def names_of_tests(path):
    """The names of a file's tests, and whether each is of the default suite."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            slow = any(ast.unparse(mark) == "pytest.mark.slow" for mark in node.decorator_list)
            found[node.name] = found.get(node.name, False) or not slow
    return found


def test_every_promise_is_held_by_a_test():
    """By one that exists, and by one of the default suite at least."""
    known = {path.name: names_of_tests(path) for path in Path(__file__).parent.glob("test_*.py")}
    page = (DOCS / "promises.rst").read_text("utf-8")
    rows = list(promises())
    assert len(rows) == page.count("\n   * - ") - page.count("list-table::")  # but for headings
    for promise, held_by in rows:
        assert len(set(held_by)) == len(held_by), promise
        unknown = [f"{file}::{name}" for file, name in held_by if name not in known.get(file, {})]
        assert not unknown, f"{promise!r} names {unknown}"
        assert any(known[file][name] for file, name in held_by), f"nothing holds {promise!r}"
    assert len(re.findall(r"test_\w+\.py::", page)) == sum(len(held_by) for _, held_by in rows)


def calculator():
    """The formulas of the page on output sizes, as functions of Python."""
    source = (DOCS / "_static" / "sizes.js").read_text("utf-8")
    scripts = re.findall(r"^formulas\.(\w+) = \((.*)\) => (.*);$", source, flags=re.MULTILINE)
    formulas = SimpleNamespace()
    rounding = SimpleNamespace(floor=math.floor, ceil=math.ceil, min=min, max=max)
    for name, arguments, expression in scripts:
        names = {"Math": rounding, "formulas": formulas}
        setattr(formulas, name, eval(f"lambda {arguments}: {expression}", names))
    return formulas


def test_the_calculator_of_sizes_says_what_the_functions_say():
    formulas = calculator()
    for length, k, s, lo, hi, d in itertools.product(
        range(1, 9), range(1, 5), range(1, 5), range(3), range(3), (1, 2)
    ):
        axis = {"stride": s, "padding": ((lo, hi),), "dilation": d}
        sizes = (length, k, s, lo, hi, d, 0)
        x = (1, 1, length)
        if formulas.transposed(*sizes) > 0:
            expected = fastconv.conv_transpose_output_shape(x, (1, 1, k), **axis)[-1]
            assert formulas.transposed(*sizes) == expected
        if length + lo + hi > d * (k - 1):
            expected = fastconv.conv_output_shape(x, (1, 1, k), **axis)[-1]
            assert formulas.convolution(*sizes) == expected
            if max(lo, hi) > d * (k - 1) or length < d:  # a window in the padding is refused
                continue
            expected = fastconv.pool_output_shape(x, (k,), ceil_mode=True, **axis)[-1]
            assert formulas.ceiling(*sizes) == expected, sizes


def test_every_tutorial_has_its_place():
    """The order of the tutorials names each of them once, in its section."""
    source = (DOCS / "gallery.py").read_text("utf-8")
    order = ast.literal_eval(re.search(r"^ORDER = (\{.*?^\})", source, re.MULTILINE | re.DOTALL)[1])
    found = {folder.name: {path.stem for path in folder.glob("*.py")}
             for folder in (DOCS / "tutorials").iterdir() if folder.is_dir()}
    assert {section: set(names) for section, names in order.items()} == found
    assert sum(map(len, order.values())) == sum(map(len, found.values()))
    for path in (DOCS / "tutorials").rglob("*.py"):
        text = path.read_text("utf-8")
        assert re.match(r'"""\n.+\n=+\n\n\S', text), f"{path.name} begins with no title"
        assert "fastconv" in text


def from_sources():
    """The module that writes what pages read from the sources."""
    spec = importlib.util.spec_from_file_location("from_sources", DOCS / "from_sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_algorithm_has_a_page():
    contents = (DOCS / "algorithms" / "index.rst").read_text("utf-8").split()
    methods = from_sources().method_list()
    constants = from_sources().constant_list()
    for algorithm in ALGORITHMS:
        home = algorithm.home or algorithm.name
        assert (DOCS / "algorithms" / f"{home}.rst").exists()
        assert home in contents  # of the side bar
        assert f":doc:`{algorithm.name} <{home}>`" in methods
        assert f"_algorithms/{home}" in constants


def test_every_module_is_listed():
    """With a sentence of its own, and each folder in the picture of the floors."""
    listed, picture = from_sources().module_list(), from_sources().draw()
    for name, paths in floors.MODULES.items():
        assert floors.summary(paths), f"{name} says nothing of itself"
        if name:
            folder = paths[0].parent.relative_to(floors.SOURCE).as_posix()
            shown = paths[0].stem if folder == "." else f"{folder}/{paths[0].stem}"
            assert f"``{shown.removesuffix('__init__')}``" in listed
            assert f">{paths[0].stem}<" in picture or paths[0].stem == "__init__" or (
                floors.floor(name) == 0)
    for path in floors.kernel_sources():
        assert floors.summary([path]), f"{path.name} says nothing of itself"


def test_every_environment_variable_is_told():
    pages = (DOCS / "threads.rst").read_text("utf-8")
    found = set()
    for paths in floors.MODULES.values():
        for path in paths:
            text = path.read_text("utf-8")
            found |= set(re.findall(r"\b(?:FASTCONV|OMP)_[A-Z_]+[A-Z]\b", text))
    found -= {"FASTCONV_VERSION"}  # of the build
    assert found >= {"FASTCONV_NUM_THREADS", "FASTCONV_PRECISION", "FASTCONV_MAX_ISA"}
    assert {name for name in found if f"``{name}``" not in pages} == set()


def test_every_command_is_told():
    page = (DOCS / "command-line.rst").read_text("utf-8")
    source = (floors.SOURCE / "cli.py").read_text("utf-8")
    commands = re.findall(r'\badd\(\s*"(\w+)"', source)
    assert commands
    assert {name for name in commands if f"``fastconv {name}``" not in page} == set()


def test_links_of_the_readme_lead_somewhere():
    """And of the other texts in Markdown; the site's are looked at when it is built."""
    texts = [*ROOT.glob("*.md"), *ROOT.glob("bench/*.md"), *floors.SOURCE.rglob("*.md")]
    links = [(path, link) for path in texts
             for link in re.findall(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)", path.read_text("utf-8"))]
    assert len(links) > 10
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


def test_paths_on_pages_exist():
    """No page, nor README, sends its reader to a file of the package that is not there."""
    pages = [*DOCS.glob("*.rst"), *DOCS.glob("algorithms/*.rst"), *DOCS.glob("dev/*.rst"),
             *ROOT.glob("*.md"), *ROOT.glob("bench/*.md"), *floors.SOURCE.rglob("*.md")]
    package = r"(?:fastconv/|(?=_(?:algorithms|call|core|desc|kernels|pooling)/))"
    for page in pages:
        for path in re.findall(rf"``?{package}([\w/]+\.(?:pyx|pxd|pyi?|h|c))``?",
                               page.read_text("utf-8")):
            if "name" not in path:
                assert (floors.SOURCE / path).exists(), f"{page.name}: {path}"
