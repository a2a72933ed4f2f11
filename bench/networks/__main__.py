"""The command: ``cd bench && python -m networks``."""

import argparse
import functools
import importlib.util
import sys
from pathlib import Path

from fastconv._bench.report import environment
from fastconv.cli import _list, _positive, _positive_seconds

from . import compare, report
from .zoo import NETWORKS, build


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m networks",
        description="Time the classic networks: fastconv, PyTorch and ONNX Runtime in turn, "
        "next to what the networks cost and what the machine can do.",
    )
    parser.add_argument("networks", nargs="?", type=_list(str, NETWORKS), default=tuple(NETWORKS),
                        metavar="NAMES", help=f"{', '.join(NETWORKS)}; default: all")  # fmt: skip
    parser.add_argument("--batch", type=_list(_positive), default=(1,), metavar="N,...",
                        dest="batches", help="batch sizes; default: 1")  # fmt: skip
    parser.add_argument("--threads", type=_list(_positive), default=(1,), metavar="N,...",
                        help="numbers of threads, for everyone; default: 1")  # fmt: skip
    parser.add_argument("--peers", type=_list(str, [p.name for p in compare.PEERS]),
                        default=tuple(p.name for p in compare.PEERS), metavar="NAMES",
                        help=f"{', '.join(p.name for p in compare.PEERS)}; an empty string for "
                        "none; default: all that are installed")  # fmt: skip
    parser.add_argument("--seconds", type=_positive_seconds, default=1.0, metavar="S",
                        help="for each contender on each network; default: 1")  # fmt: skip
    parser.add_argument("--rounds", type=_positive, default=4, metavar="N",
                        help="turns that this time is spread over; default: 4")  # fmt: skip
    parser.add_argument("--layers", action="store_true", help="print every layer's costs and time")
    parser.add_argument("--read", type=_list(Path), metavar="FILE,...",
                        help="take the figures from JSON files instead of measuring")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--rst", type=Path, metavar="FILE",
                        help="write the documentation's tables there")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE",
                        help="draw the layers' costs and times there")  # fmt: skip
    return parser


def _contenders(names):
    """fastconv's ways, and of the peers that are asked for those that are installed."""
    peers = [peer for peer in compare.PEERS if peer.name in names]
    for peer in peers:
        if not peer.installed():
            print(f"note: {peer.package} is not installed", file=sys.stderr)
    return [c() for c in (*compare.OURS, *peers) if c.installed()]


def _measure(args, contenders):
    """Yield the record of each network, batch and number of threads, under a progress bar."""
    from tqdm import tqdm

    cases = [(batch, threads) for batch in args.batches for threads in args.threads]
    steps = len(contenders) * (args.rounds + 1) + 1
    bar = tqdm(total=len(args.networks) * len(cases) * steps, disable=None, leave=False,
               dynamic_ncols=True, unit="turn")  # fmt: skip
    with bar:
        # One network at a time: the weights of VGG-16 alone are half a gigabyte.
        for network in map(build, args.networks):
            for batch, threads in cases:
                turns = iter(range(steps))
                progress = functools.partial(_advance, bar, network, turns)
                record = compare.figures(network, batch, threads, contenders, args.seconds,
                                         args.rounds, progress)  # fmt: skip
                bar.update(sum(1 for _ in turns))
                bar.write(report.line(record))
                yield record


def _advance(bar, network, turns, what):
    bar.set_postfix_str(f"{network.name}, {what}", refresh=False)
    if next(turns, None) is not None:
        bar.update()


def main(argv=None):
    """Measure or read, print, and write; return the exit status."""
    args = _parser().parse_args(argv)
    needed = ("tqdm", "matplotlib") if args.plot else ("tqdm",)
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        print(f'networks: {", ".join(missing)} missing: pip install "fastconv[bench]"',
              file=sys.stderr)  # fmt: skip
        return 2
    for path in filter(None, (args.json, args.rst, args.plot)):
        if not path.resolve().parent.is_dir():
            print(f"networks: the directory of {path} does not exist", file=sys.stderr)
            return 2
    records, around = [], None
    try:
        if args.read:
            around, records = report.from_json(args.read)
        else:
            contenders = _contenders(args.peers)
            around = environment(contenders, {"seconds": args.seconds, "rounds": args.rounds})
            if (around["load_average"] or 0) > 0.5:
                print(f"note: the load average is {around['load_average']:.1f}: other processes "
                      "are at work, and figures for several threads mean little")  # fmt: skip
            records += _measure(args, contenders)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, KeyError) as error:
        if not args.read:
            raise
        print(f"networks: {error}", file=sys.stderr)
        return 2

    records = report.ordered(records)
    print("\ncosts, for one image\n" + report.text(report.cost_table(records)))
    for settings, members in report.groups(records):
        print(f"\n{settings}: best times\n" + report.text(report.time_table(members)))
        print("\n".join(report.summary(members)))
        for record in members if args.layers else ():
            print(f"\n{record['network']}, {settings}: best times of the layers")
            print(report.text(report.layer_table(record)))
            print("\n" + report.text(report.kind_table(record)))
    if args.json:
        report.to_json(args.json, records, around)
    if args.rst:
        args.rst.write_text(report.rst(records, around), "utf-8")
    if args.plot:
        report.plot(args.plot, records)
    for path in filter(None, (args.json, args.rst, args.plot)):
        print(f"written: {path.resolve()}")
    wrong = [f"{record['network']}: {name} {reason}" for record in records
             for name, reason in record["refusals"].items()]  # fmt: skip
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
