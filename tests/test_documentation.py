"""The pages of docs/ and the README: every example runs, and nothing public is left out."""

import doctest
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
