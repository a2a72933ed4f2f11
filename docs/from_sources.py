"""What these pages tell of the sources, read from them: floors, modules, methods, constants.

``conf.py`` has it written to ``docs/generated/`` before every build. To look at it by itself, with
fastconv installed: ``python -P docs/from_sources.py``.
"""

import re
import sys
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import floors  # noqa: E402
from floors import FLOORS, MODULES, SOURCE, floor, lines, summary  # noqa: E402

SANS = "DejaVu Sans, Verdana, sans-serif"
MONO = "DejaVu Sans Mono, Menlo, Consolas, monospace"
INK, PALE = "#1b2733", "#66727f"
GROUNDS = {  # of every floor, and the ink on it
    "tools": ("#eef1f3", INK),
    "API": ("#0b7a75", "#fff"),
    "call": ("#2f8f8a", "#fff"),
    "algorithms and pooling": ("#f5b49d", INK),
    "desc": ("#8ccac4", INK),
    "core": ("#f9d3c4", INK),
    "kernels": ("#e4572e", "#fff"),
}


# ---- what stands where ----


def on_floor(title):
    """The modules of a floor, the package itself left out."""
    index = list(FLOORS).index(title)
    return [name for name in MODULES if name and floor(name) == index]


def folder(name):
    """The folder of a module; that of a package is its own."""
    path = MODULES[name][0].parent
    return "" if path == SOURCE else path.relative_to(SOURCE).as_posix() + "/"


def rooms(title):
    """A floor's folders, "" for modules in none: the names and files in each.

    Folders of tools are one room each, since they are no part of the house.
    """
    found = {}
    for name in on_floor(title):
        where = folder(name)
        if title == "tools" and where:
            found.setdefault("", {}).setdefault(where, []).extend(MODULES[name])
        else:
            names = found.setdefault(where, {})
            if where and MODULES[name][0].stem == "__init__":
                continue
            names[name.rpartition(".")[2]] = MODULES[name]
    if title == "kernels":
        found["_kernels/"].update({path.name: [path] for path in floors.kernel_sources()})
    return {where: names for where, names in found.items() if names}


def below(title):
    """The floors that the modules of a floor import from, itself left out."""
    reached = {floor(other) for name in on_floor(title) for other in floors.imports(name) if other}
    return [other for index, other in enumerate(FLOORS) if index in reached and other != title]


# ---- the picture ----


def _text(x, y, text, size, fill, font=SANS, weight="normal"):
    return (f'<text x="{x}" y="{y}" font-family="{font}" font-size="{size}" fill="{fill}" '
            f'font-weight="{weight}">{text}</text>')


def _chips(names, left, right, top):
    """A box for every module, in as many rows as they need; and where the last row ends."""
    drawn, x, y = [], left, top
    for name, paths in names.items():
        count = str(lines(paths))
        width = 7.0 * len(name) + 6.2 * len(count) + 20
        if x + width > right:
            x, y = left, y + 25
        drawn.append(f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="20" rx="4" '
                     f'fill="#fff"/>')
        drawn.append(_text(round(x + 6), y + 14, name, 11.5, INK, MONO))
        drawn.append(_text(round(x + 13 + 7.0 * len(name)), y + 14, count, 10, PALE, MONO))
        x += width + 6
    return drawn, y + 25


def _floor(title, top):
    """One floor of the picture, and where it ends."""
    ground, ink = GROUNDS[title]
    drawn, y = [], top + 10
    for where, names in rooms(title).items():
        left = 190
        if where:
            drawn.append(_text(190, y + 14, where, 11.5, ink, MONO, "bold"))
            left = 362
        chips, y = _chips(names, left, 890, y)
        drawn += chips
    end = max(y + 5, top + 58)
    total = sum(lines(paths) for names in rooms(title).values() for paths in names.values())
    head = [f'<rect x="46" y="{top}" width="854" height="{end - top}" rx="8" fill="{ground}"/>']
    first, _, second = title.partition(" and ")
    head.append(_text(62, top + 25, first, 15, ink, weight="bold"))
    if second:
        head.append(_text(62, top + 44, f"and {second}", 15, ink, weight="bold"))
    head.append(_text(62, top + (62 if second else 43), f"{total} lines", 11, ink))
    return head + drawn, end


def draw():
    """The floors and what stands on them, with lines of code, as an SVG."""
    drawn, y = [], 16
    for title in FLOORS:
        drawn_floor, y = _floor(title, y)
        drawn += drawn_floor
        y += 8
    height = y + 8
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="916" height="{height}" '
        f'viewBox="0 0 916 {height}">',
        "<title>The floors of fastconv; imports point down only</title>",
        f'<rect width="916" height="{height}" fill="#fbfaf7"/>',
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L10 5L0 10z" fill="{PALE}"/></marker></defs>',
        *drawn,
        f'<line x1="32" y1="24" x2="32" y2="{height - 20}" stroke="{PALE}" stroke-width="2" '
        'marker-end="url(#arrow)"/>',
        f'<text transform="rotate(-90 22 {height // 2})" x="22" y="{height // 2}" '
        f'font-family="{SANS}" font-size="12" fill="{PALE}" text-anchor="middle">imports</text>',
        "</svg>",
        "",
    ])


# ---- tables and lists ----


def _sentence(paths):
    """The first sentence of a module, as text of a page."""
    text = re.split(r"(?<=\.)\s", summary(paths))[0]
    pieces = re.split(r"``?", text)
    for i, piece in enumerate(pieces):
        pieces[i] = f"``{piece}``" if i % 2 else re.sub(r"([|*\\])", r"\\\1", piece)
    return "".join(pieces)


def _table(widths, head, rows):
    """Rows of cells as a list-table."""
    drawn = [".. list-table::", f"   :widths: {widths}", "   :header-rows: 1", ""]
    for row in [head, *rows]:
        drawn += [f"   {'  ' if i else '* '}- {cell}" for i, cell in enumerate(row)]
    return [*drawn, ""]


def module_list():
    """Every module, floor by floor, with the first sentence of its docstring."""
    drawn = []
    for title in FLOORS:
        under = f", on {', '.join(below(title))}" if below(title) else ""
        drawn += [f".. rubric:: {title}{under}", ""]
        names = sorted(on_floor(title), key=lambda name: (folder(name), folder(name) != name))
        rows = []
        for where, together in groupby(names, key=folder):
            for name in together:
                is_package = MODULES[name][0].stem == "__init__"
                shown = where if is_package else f"{where}{name.rpartition('.')[2]}"
                rows.append([f"``{shown}``", _sentence(MODULES[name])])
        if title == "kernels":
            rows += [[f"``_kernels/{path.name}``", _sentence([path])]
                     for path in floors.kernel_sources()]
        drawn += _table("36 64", ["Module", "What it holds"], rows)
    return "\n".join(drawn)


def method_list():
    """The registry: passes, precision, and what the sources say each algorithm is."""
    from fastconv._select import ALGORITHMS

    rows = []
    for algorithm in ALGORITHMS:
        home = algorithm.home or algorithm.name
        about = _sentence(MODULES[f"_algorithms.{home}"]).partition(": ")[2].rstrip(".")
        rows.append([f":doc:`{algorithm.name} <{home}>`", ", ".join(algorithm.passes),
                     f'``"{algorithm.tier}"``', about])
    return "\n".join(_table("14 34 16 36", ["Method", "Passes", "Precision", "What it is"], rows))


def constants(path):
    """The constants of a cost model at the head of a file, with the comments above them."""
    kept, waiting = [], []
    for line in path.read_text("utf-8").split("\n"):
        if line.startswith("#"):
            waiting.append(line)
            continue
        if re.match(r"cdef double [A-Z]|[A-Z_]+ = [0-9.e-]+( |$)", line):
            kept += [*waiting, line]
        waiting = []
    return kept


def cost_sources(name):
    """The files that hold the constants of an algorithm's cost model."""
    package = SOURCE / "_algorithms" / name
    if (package / "cost.pyx").exists():
        return [package / "cost.pyx"]
    files = sorted(package.glob("*.pyx"))
    if not package.is_dir():
        files = [path for path in (package.with_suffix(".pyx"), package.with_suffix(".py"))
                 if path.exists()]
    return [path for path in files if constants(path)]


def constant_list():
    """The constants of every cost model, as they stand in the sources."""
    from fastconv._select import ALGORITHMS

    drawn = []
    for home in dict.fromkeys(algorithm.home or algorithm.name for algorithm in ALGORITHMS):
        for path in cost_sources(home):
            where = path.relative_to(SOURCE.parent).as_posix()
            drawn += [f"``{where}``:", "", ".. code-block:: cython", ""]
            drawn += [f"   {line}".rstrip() for line in constants(path)]
            drawn.append("")
    return "\n".join(drawn)


def handed_on():
    """What each function of `fastconv.signal` leaves to SciPy."""
    from fastconv import signal

    rows = [["all", f"{signal.HANDED_ON_BY_ALL}."]]
    rows += [[f"``{name}``", f"{said[0].upper()}{said[1:]}."]
             for name, said in signal.SERVED.items()]
    return "\n".join(_table("24 76", ["Function", "What SciPy answers"], rows))


def write(where):
    """Write all of it to a directory, and touch nothing that has not changed."""
    where.mkdir(exist_ok=True)
    for name, content in {
        "floors.svg": draw(), "modules.inc": module_list(), "methods.inc": method_list(),
        "constants.inc": constant_list(), "signal.inc": handed_on(),
    }.items():
        path = where / name
        if not path.exists() or path.read_text("utf-8") != content:
            path.write_text(content, "utf-8")


if __name__ == "__main__":
    write(DOCS / "generated")
