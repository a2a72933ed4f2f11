"""Tools: mutants are small, of all parts of the sources, the same for the same seed, and undone."""

import shutil

import pytest
from floors import SOURCE
from mutants import FOLDERS, RULES, draw, excluded, mutants_of

pytestmark = pytest.mark.needs(SOURCE.is_dir(), "the sources beside the tests")

ROOT = SOURCE.parent


@pytest.fixture(scope="module")
def drawn():
    return draw(ROOT, 150, 3)


def test_they_are_of_all_folders_and_rules(drawn):
    assert len(set(drawn)) == 150
    for folder in FOLDERS:
        assert sum(m.path.startswith(f"fastconv/{folder}/") for m in drawn) >= 150 // 10
    rules = {rule for rule, _, _ in RULES}
    assert len({m.rule for m in drawn} & rules) > len(rules) - 5
    assert draw(ROOT, 20, 3) == drawn[:20]
    assert draw(ROOT, 20, 4) != drawn[:20]


def test_one_line_changes_and_comes_back(drawn, tmp_path):
    for mutant in drawn[::10]:
        path = tmp_path / mutant.path
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / mutant.path, path)
        before = path.read_text("utf-8").split("\n")
        undo = mutant.apply(tmp_path)
        after = path.read_text("utf-8").split("\n")
        different = [n for n, pair in enumerate(zip(before, after, strict=True), 1)
                     if pair[0] != pair[1]]  # fmt: skip
        assert different == [mutant.line]
        undo()
        assert path.read_text("utf-8").split("\n") == before


def test_comments_strings_and_what_is_excluded_stay():
    text = '''\
def f(a):
    """a < b + 1"""
    # a < b + 1
    return "a < b + 1" if a < 3 else a

def cost(a):
    return a + 1
'''
    found = list(mutants_of("fastconv/_desc/x.pyx", text))
    assert {m.line for m in found} == {4}
    assert {m.after.strip() for m in found} == {
        f'return "a < b + 1" if a {how} else a' for how in ("<= 3", "< 4", "< 2")}
    assert excluded("fastconv/_algorithms/direct/cost.pyx", "anything")
    assert not excluded("fastconv/_call/conv.pyx", "forward")
