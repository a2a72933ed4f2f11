"""The benchmark: fastconv against the libraries that are installed, in one alternating run.

`cases` says what is measured, `draw` which random points, `peers` who takes part, `measure` holds
the clock, `peaks` the machine's limits, `targets` what is to be reached, `report` writes it down.
`filters` has all that for `fastconv.ndimage`, and `quantised` for quantised layers.
"""

import functools
import importlib.util
import sys
from itertools import groupby
from pathlib import Path


def run(*, filters=None, quantised=None, **options):
    """Run the benchmark and print its tables; return the exit status.

    Parameters
    ----------
    filters : sequence of str, optional
        Functions of `fastconv.ndimage` to measure in place of layers: ``dtypes``, ``threads``,
        ``peers``, ``seconds``, ``rounds``, ``quick``, ``json`` and ``rst`` are of use to them.
    quantised : sequence of str, optional
        Quantised layers to measure in place of others, with the same options but ``dtypes`` and
        ``rst``.
    options
        As `run_layers` has them.

    Returns
    -------
    int
        0, or 1 where a contender's result differs from fastconv's.
    """
    missing = [name for name in ("tqdm", *(["matplotlib"] if options.get("plot") else []))
               if importlib.util.find_spec(name) is None]  # fmt: skip
    if missing:
        print(
            f'fastconv bench needs {", ".join(missing)}: pip install "fastconv[bench]"',
            file=sys.stderr,
        )
        return 2
    if filters:
        wanted = ("dtypes", "threads", "peers", "seconds", "rounds", "quick", "json", "rst")
        return run_filters(filters, **{name: options.get(name) for name in wanted})
    if quantised:
        wanted = ("threads", "peers", "seconds", "rounds", "quick", "json")
        return run_quantised(quantised, **{name: options.get(name) for name in wanted})
    return run_layers(**options)


def run_filters(names, *, dtypes, threads, peers, seconds, rounds, quick, json, rst):
    """Measure filters of `fastconv.ndimage`; return the exit status."""
    from fastconv._bench import filters

    def cases():
        return filters.combine(
            names, dtypes or filters.DTYPES[:: 2 if quick else 1], threads or (1,),
            filters.SIZES[: 2 if quick else None],
        )  # fmt: skip

    form = {"seconds": seconds or (0.02 if quick else 0.1), "rounds": rounds or 3}
    return _run_group(filters, cases, peers, form, json, rst)


def run_quantised(names, *, threads, peers, seconds, rounds, quick, json):
    """Measure quantised layers; return the exit status."""
    from fastconv._bench import quantised

    form = {"seconds": seconds or (0.02 if quick else 0.2), "rounds": rounds or 3}
    return _run_group(quantised, lambda: quantised.combine(names, threads or (1,)), peers, form,
                      json)


def _run_group(group, cases, peers, form, json, rst=None):
    """Measure the cases of a module that has contenders and a run of its own."""
    from fastconv._bench import filters, report

    try:
        for path in filter(None, (json, rst)):
            if not Path(path).resolve().parent.is_dir():
                raise ValueError(f"the directory of {path} does not exist")
        contenders, cases = group.contenders(peers), cases()
    except ValueError as error:
        print(f"fastconv bench: {error}", file=sys.stderr)
        return 2
    environment = report.environment(contenders, form)
    print(_machine(environment))
    measured, results = group.run(cases, contenders, **form)
    if json:
        report.to_json(json, filters.records(measured), environment, results)
        print(f"\nFigures: {Path(json).resolve()}")
    if rst:
        group.to_rst(rst, measured, environment, results)
    wrong = any(r.startswith("WRONG") for m in measured for r in m.refusals.values())
    return 1 if wrong or len(measured) < len(cases) else 0


def run_layers(
    *,
    targets=None,
    layers=None,
    passes=None,
    dtypes=None,
    batches=None,
    threads=None,
    peers=None,
    seconds=None,
    rounds=None,
    quick=False,
    random=None,
    kinds=None,
    points=None,
    data_format="channels_first",
    method="auto",
    precision=None,
    json=None,
    rst=None,
    plot=None,
):
    """Measure layers, random points or the targets; return the exit status.

    Parameters
    ----------
    targets : sequence of str, optional
        Rows of the table of targets; their cases are measured, and the table is printed.
    layers : sequence of str, optional
        Groups, networks, names or globs; the performance layers by default.
    passes, dtypes, batches, threads : sequence, optional
        Every combination is measured; float32, forward, one image and one thread by default.
        With `targets` these and `layers` leave out the cases that are not among them.
    peers : sequence of str, optional
        Names of the peers to compare with; all that are installed by default, ``()`` for none.
    seconds : float, optional
        Time for each contender on each case, 0.4 by default, 0.2 with `targets`.
    rounds : int, optional
        Over how many turns that time is spread, 5 by default, 3 with `targets`.
    quick : bool
        A handful of layers, a tenth of a second each.
    random : int, optional
        A seed: measure random points, and each of our methods on them, in place of layers.
    kinds : sequence of str, optional
        Which random points: "filters", "layers", "pools"; all by default.
    points : int, optional
        How many of each kind, 50 by default.
    data_format, method, precision
        Passed on to fastconv.
    json, rst, plot : path-like, optional
        Files to write.

    Returns
    -------
    int
        0, or 1 where a contender's result differs from fastconv's.
    """
    from tqdm import tqdm

    from fastconv._bench import cases, draw, measure, report
    from fastconv._bench import targets as rows
    from fastconv._bench.peers import METHODS

    form = {"data_format": data_format, "method": method, "precision": precision}
    short = targets or random is not None
    seconds = seconds or (0.2 if short else 0.4)
    rounds = rounds or (3 if short else 5)
    if quick:
        layers, seconds, rounds = cases.QUICK, min(seconds, 0.1), min(rounds, 3)
    try:
        if unknown := set(dtypes or ()) - {"float32", "float64"}:
            raise ValueError(f"layers are not measured in {unknown.pop()}, only filters are")
        peers = _installed(peers)
        layers = cases.select(layers or ("performance", "tiny")) if layers or not targets else None
        if random is not None:
            some = draw.points(random, kinds or draw.KINDS, points or 50, threads or (1,),
                               batches or (1,))  # fmt: skip
            ours = (*rows.Row.ours, *METHODS)
            wanted = {rows.Row("", "", 0, None, peers=peers, ours=ours): some}
        elif targets:
            wanted = {
                row: rows.cases_of(row, layers, passes, dtypes, batches, threads)
                for row in rows.choose(targets)
            }
        else:
            some = cases.combine(layers, passes or ("forward",), dtypes or ("float32",),
                                 batches or (1,), threads or (1,))  # fmt: skip
            wanted = {rows.Row("", "", 0, None, peers=peers): some}
        todo = _merge(wanted, peers, form)
        for path in filter(None, (json, rst, plot)):
            if not Path(path).resolve().parent.is_dir():
                raise ValueError(f"the directory of {path} does not exist")
        if not todo and all(row.layers for row in wanted):
            raise ValueError("nothing is left to measure")
    except ValueError as error:
        print(f"fastconv bench: {error}", file=sys.stderr)
        return 2

    settings = {"seconds": seconds, "rounds": rounds} | form
    taking_part = {c.package: c for contenders in todo.values() for c in contenders}
    environment = report.environment(taking_part.values(), settings)
    print(_machine(environment))

    measured, results = {}, {}
    bar = tqdm(total=rounds * sum(map(len, todo.values())), disable=None, leave=False,
               dynamic_ncols=True, unit="turn")  # fmt: skip
    try:
        with bar:
            for row in wanted:
                if targets and not row.layers:
                    bar.set_postfix_str(row.text)
                    results[row] = rows.probe(row)
            for (group, _), members in groupby(todo, lambda key: (key[-1].group, todo[key])):
                members = list(members)
                contenders = todo[members[0]]
                table = report.Table(contenders, [case.layer for *_, case in members])
                bar.write(f"\n{group}: best time of one call\n{table.header()}")
                for key in members:
                    *_, case = key
                    turns = iter(range(len(contenders) * rounds))
                    progress = functools.partial(_advance, bar, case, turns)
                    measured[key] = measure.measure(case, contenders, seconds, rounds, progress)
                    case.forget()
                    bar.update(sum(1 for _ in turns))
                    bar.write(table.row(measured[key]))
                bar.write("\n".join(report.summary([measured[key] for key in members])))
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(measured)} of {len(todo)} cases", file=sys.stderr)

    done = list(measured.values())
    if notes := report.remarks(done):
        print("\nnot measured\n  " + "\n  ".join(notes))
    if targets:
        results = [results.get(row) or rows.result(row, some, measured)
                   for row, some in wanted.items()]  # fmt: skip
        print(f"\n{rows.table(results)}")
    for path, write in ((json, report.to_json), (rst, report.to_rst)):
        if path and (done or results):
            write(path, report.records(done), environment, results)
            print(f"\nFigures: {Path(path).resolve()}")
    if plot and any(map(report.ours, done)):
        report.plot(plot, done)
        print(f"Plot: {Path(plot).resolve()}")
    wrong = any(r.startswith("WRONG") for m in done for r in m.refusals.values())
    return 1 if wrong or len(done) < len(todo) else 0


def _machine(environment):
    """What figures are to be read against, in a few lines."""
    isa, load = environment["runtime"]["isa"], environment["load_average"] or 0
    lines = [f"{isa} on {environment['processor']}, Python {environment['python']}",
             ", ".join(f"{name} {version}" for name, version in environment["versions"].items())]
    if load > 0.5:
        lines.append(f"note: the load average is {load:.1f}: other processes are at work, and "
                     "figures for several threads mean little")  # fmt: skip
    return "\n".join(lines)


def _installed(names):
    """The names of the peers that are there, all or those that are asked for."""
    from fastconv._bench import peers

    rivals = {peer.name: peer for peer in peers.PEERS}
    if unknown := set(names or ()) - set(rivals):
        raise ValueError(f"no peer is called {unknown.pop()!r}; there are {', '.join(rivals)}")
    installed = [name for name, peer in rivals.items() if peer.installed()]
    for name in names or ():
        if name not in installed:
            raise ValueError(f"the peer {name!r} is not installed")
    return tuple(name for name in installed if names is None or name in names)


def _merge(wanted, installed, form):
    """Who computes what: contenders by precision, names of ours, and case; each case once."""
    from fastconv._bench import peers

    kinds = {kind.name: kind for kind in (*peers.OURS, *peers.PEERS)}
    kinds |= {name: functools.partial(peers.FastconvMethod, name) for name in peers.METHODS}
    names = {}
    for row, some in wanted.items():
        for case in some:
            names.setdefault(row.key(case), set()).update(row.peers)

    @functools.cache  # the same tuple for the same contenders
    def contenders(precision, ours, others):
        options = form | ({"precision": precision} if precision else {})
        return (*(kinds[name](**options) for name in ours), *(kinds[name]() for name in others))

    return {
        key: contenders(*key[:2], tuple(name for name in installed if name in some))
        for key, some in names.items()
    }


def _advance(bar, case, turns, contender):
    bar.set_postfix_str(f"{case.layer.name}, {contender}", refresh=False)
    if next(turns, None) is not None:
        bar.update()
