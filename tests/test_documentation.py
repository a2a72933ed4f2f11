"""Documentation: every example of the pages runs, and nothing public and no test is missing."""

import doctest
import re
from pathlib import Path

import pytest

import fastconv

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
