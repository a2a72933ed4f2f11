"""Layers: imports point down only. This reads the sources: a checkout, not a wheel."""

import re

import house
import pytest
from floors import FLOORS, MODULES, SOURCE, floor, imports

pytestmark = pytest.mark.needs(SOURCE.is_dir(), "the sources beside the tests")


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "fastconv")
def test_imports_point_down(name):
    for other in imports(name):
        assert floor(other) >= floor(name) or other == "", (
            f"{name or 'fastconv'} ({list(FLOORS)[floor(name)]}) imports "
            f"{other} ({list(FLOORS)[floor(other)]})"
        )


def test_no_imports_in_circles():
    """Modules can be put in an order in which each needs those before it only."""
    waiting = {name: imports(name) - {""} for name in MODULES if name}
    while waiting:
        ready = {name for name, needed in waiting.items() if not needed & waiting.keys()}
        assert ready, f"in circles, or above one: {sorted(waiting)}"
        waiting = {name: needed for name, needed in waiting.items() if name not in ready}


def algorithm_of(name):
    """The file or folder of one algorithm that a module belongs to."""
    return ".".join(name.split(".")[:2])


def test_algorithms_do_not_import_each_other():
    for name in MODULES:
        if name.startswith("_algorithms."):
            others = {algorithm_of(o) for o in imports(name)
                      if o.startswith(("_algorithms", "_pooling"))}
            assert others <= {algorithm_of(name), "_algorithms.record",
                              "_algorithms.finish"}, name
        if name.startswith("_pooling"):
            assert not any(o.startswith("_algorithms") for o in imports(name)), name


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
                assert name in ("_kernels.dispatch", "_kernels.bytes"), path


def test_public_functions_hold_no_loops():
    """conv, pool, plan, quantized and separable describe, select and run: work belongs below."""
    for name in ("conv", "pool", "plan", "quantized", "separable"):
        for path in MODULES[name]:
            code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
            loops = re.findall(r"^\s*(?:for|while)\b.*", code, re.MULTILINE)
            # explain(measure=True) repeats what it times.
            assert [line.strip() for line in loops] in ([], ["for _ in range(3):"]), path


def test_the_library_does_not_need_its_own_tests():
    for name in MODULES:
        if floor(name) > 0:
            assert not any(other.startswith("testing") for other in imports(name)), name


def test_every_import_is_seen():
    """The expression finds what it should, so that the tests above are not empty."""
    assert imports("conv") >= {"_call.conv", "_select", "_desc.conv"}
    weights = imports("_algorithms.direct.weights")
    assert weights >= {"_core.threads", "_desc.conv", "_kernels.dispatch"}
    assert sum(len(imports(name)) for name in MODULES) > 30


KERNELS = SOURCE / "_kernels"
GUIDE = SOURCE.parent / "docs" / "dev" / "adding-a-micro-kernel.rst"


def table_entries():
    """The names of the kernels in the table."""
    text = re.sub(r"/\*.*?\*/", "", "".join(
        (KERNELS / name).read_text() for name in ("table.h", "matrix.h")), flags=re.DOTALL)
    names = set()
    structs = r"typedef struct \{([^}]*)\} fc_(?:kernels|pools|integers|matrix|table);"
    for body in re.findall(structs, text):
        names.update(re.findall(r"\(\*(\w+)", body))
        for fields in re.findall(r"^\s*fc_\w+ ([^*(]*?);", body, re.MULTILINE):
            names.update(re.findall(r"(\w+)(?:\[\w+(?: - 1)?\])*(?:,|$)", fields))
    return names - {"f32", "f64", "pools"}


def test_the_readme_of_the_kernels_names_every_file_and_kernel():
    readme = (KERNELS / "README.md").read_text()
    files = {path.name for path in KERNELS.iterdir() if path.suffix in (".c", ".h", ".pyx", ".pxd")}
    assert len(files) > 20
    assert {name for name in files if f"`{name}`" not in readme} == set()
    kernels = table_entries()
    assert kernels >= {"igemm", "dwconv_plane", "winograd_input", "max", "global_pool", "divide"}
    assert {name for name in kernels if f"`{name}`" not in readme} == set()


def test_the_guide_to_kernels_names_every_header_and_where_instruction_sets_are_told_apart():
    guide = GUIDE.read_text()
    headers = {path.name for path in KERNELS.glob("*_type.h")}
    assert {name for name in headers if f"``{name}``" not in guide} == set()
    paragraph = guide[guide.index("Instruction sets differ") : guide.index("2. The contract")]
    told = {path.name for path in (*KERNELS.glob("*.h"), *KERNELS.glob("*.c"))
            if re.search(r"__(?:AVX|SSE|aarch64)|AVX512", path.read_text())}  # fmt: skip
    assert told == set(re.findall(r"``(\w+\.[hc])``", paragraph))


def test_drivers_fit_in_the_head():
    """Files that one reads at a sitting, functions that fit a screen."""
    drivers = ("_algorithms", "_pooling", "_filters", "_call", "_desc", "_core")
    paths = [path for path in house.files((".py", ".pyx", ".pxd"))
             if path.relative_to(house.SOURCE).parts[0] in drivers]  # fmt: skip
    assert len(paths) > 80
    # tables of numbers, which a program writes, are not read
    assert [(path.name, house.lines(path)) for path in paths
            if house.lines(path) > 500 and not path.name.startswith("calibration_")] == []
    found = [f for path in paths for f in house.functions(path)]
    assert len(found) > 500
    assert [(str(f), f.lines) for f in found if f.lines > 60] == []
    assert [(str(f), f.nesting) for f in found if f.nesting > 6] == []
