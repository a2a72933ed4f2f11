"""The benchmark: fastconv against the libraries that are installed, in one alternating run.

`cases` says what is measured, `peers` who takes part, `measure` holds the clock, `peaks` the
machine's limits, `report` writes it down.
"""

import functools
import importlib.util
import sys
from itertools import groupby
from pathlib import Path


def run(
    *,
    layers=("performance", "tiny"),
    passes=("forward",),
    dtypes=("float32",),
    batches=(1,),
    threads=(1,),
    peers=None,
    seconds=0.4,
    rounds=5,
    quick=False,
    data_format="channels_first",
    method="auto",
    precision=None,
    json=None,
    rst=None,
    plot=None,
):
    """Run the benchmark and print its tables; return the exit status.

    Parameters
    ----------
    layers : sequence of str
        Groups, networks, names or globs.
    passes, dtypes, batches, threads : sequence
        Every combination is measured.
    peers : sequence of str, optional
        Names of the peers to compare with; all that are installed by default, ``()`` for none.
    seconds : float
        Time for each contender on each case.
    rounds : int
        Over how many turns that time is spread.
    quick : bool
        A handful of layers, a tenth of a second each.
    data_format, method, precision
        Passed on to fastconv.
    json, rst, plot : path-like, optional
        Files to write.

    Returns
    -------
    int
        0, or 1 where a contender's result differs from fastconv's.
    """
    missing = [name for name in ("tqdm", *(["matplotlib"] if plot else []))
               if importlib.util.find_spec(name) is None]  # fmt: skip
    if missing:
        print(
            f'fastconv bench needs {", ".join(missing)}: pip install "fastconv[bench]"',
            file=sys.stderr,
        )
        return 2
    from tqdm import tqdm

    from fastconv._bench import cases, measure, report

    form = {"data_format": data_format, "method": method, "precision": precision}
    if quick:
        layers, seconds, rounds = cases.QUICK, min(seconds, 0.1), min(rounds, 3)
    try:
        layers = cases.select(layers)
        contenders = _contenders(peers, form)
        for path in filter(None, (json, rst, plot)):
            if not Path(path).resolve().parent.is_dir():
                raise ValueError(f"the directory of {path} does not exist")
    except ValueError as error:
        print(f"fastconv bench: {error}", file=sys.stderr)
        return 2

    settings = {"seconds": seconds, "rounds": rounds} | form
    environment = report.environment(contenders, settings)
    isa = environment["runtime"]["isa"]
    print(f"{isa} on {environment['processor']}, Python {environment['python']}")
    print(", ".join(f"{name} {version}" for name, version in environment["versions"].items()))
    if (environment["load_average"] or 0) > 0.5:
        print(
            f"note: the load average is {environment['load_average']:.1f}: other processes are at "
            "work, and figures for several threads mean little"
        )

    todo = cases.combine(layers, passes, dtypes, batches, threads)
    table = report.Table(contenders, layers)
    done = []
    bar = tqdm(total=len(todo) * len(contenders) * rounds, disable=None, leave=False,
               dynamic_ncols=True, unit="turn")  # fmt: skip
    try:
        with bar:
            for group, members in groupby(todo, lambda case: case.group):
                bar.write(f"\n{group}: best time of one call\n{table.header()}")
                finished = []
                for case in members:
                    turns = iter(range(len(contenders) * rounds))
                    progress = functools.partial(_advance, bar, case, turns)
                    finished.append(measure.measure(case, contenders, seconds, rounds, progress))
                    bar.update(sum(1 for _ in turns))
                    bar.write(table.row(finished[-1]))
                    done.append(finished[-1])
                bar.write("\n".join(report.summary(finished)))
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(done)} of {len(todo)} cases", file=sys.stderr)

    if notes := report.remarks(done):
        print("\nnot measured\n  " + "\n  ".join(notes))
    for path, write in ((json, report.to_json), (rst, report.to_rst)):
        if path and done:
            write(path, report.records(done), environment)
            print(f"\nFigures: {Path(path).resolve()}")
    if plot and any(map(report.ours, done)):
        report.plot(plot, done)
        print(f"Plot: {Path(plot).resolve()}")
    wrong = any(r.startswith("WRONG") for m in done for r in m.refusals.values())
    return 1 if wrong or len(done) < len(todo) else 0


def _contenders(names, form):
    from fastconv._bench import peers

    rivals = {peer.name: peer for peer in peers.PEERS}
    if unknown := set(names or ()) - set(rivals):
        raise ValueError(f"no peer is called {unknown.pop()!r}; there are {', '.join(rivals)}")
    installed = {name: peer for name, peer in rivals.items() if peer.installed()}
    for name in names or ():
        if name not in installed:
            raise ValueError(f"the peer {name!r} is not installed")
    chosen = [peer() for name, peer in installed.items() if names is None or name in names]
    return [peers.FastconvPlan(**form), peers.Fastconv(**form), *chosen]


def _advance(bar, case, turns, contender):
    bar.set_postfix_str(f"{case.layer.name}, {contender}", refresh=False)
    if next(turns, None) is not None:
        bar.update()
