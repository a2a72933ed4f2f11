"""The command line: ``fastconv info | demo | bench | explain | selftest``.

Every command imports what it needs when it runs, so that the others stay quick. What is bold on a
terminal is plain elsewhere, and wherever ``NO_COLOR`` is set.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

import fastconv

_PASSES = ("forward", "backward_data", "backward_weight")
_DTYPES = ("float32", "float64")
_IMAGES = ("uint8", "uint16", *_DTYPES)  # of filters


def _list(kind, choices=None):
    """An argument type: values separated by commas, each one of `choices` if there are any."""

    def parse(text):
        values = tuple(kind(part) for part in text.split(",") if part)
        for value in values:
            if choices and value not in choices:
                raise argparse.ArgumentTypeError(f"{value!r} is not one of {', '.join(choices)}")
        return values

    # What argparse calls the value in its message.
    parse.__name__ = f"list of {kind.__name__}"
    return parse


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _positive_seconds(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def _info(args):
    if args.json:
        shown = {"built": fastconv.show_config, "here": fastconv.show_runtime}
        _print_json({name: show("dicts") for name, show in shown.items()})
        return 0
    fastconv.show_config()
    fastconv.show_runtime()
    return 0


def _print_json(value):
    print(json.dumps(value, indent=2))


def _bold(text):
    """`text` as it is, or bold where a terminal shows it and nobody minds."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and not plain else text


def _demo(args):
    from fastconv import _demo

    return _demo.run(args.output, args.seed, args.json)


def _bench(args):
    from fastconv import _bench

    options = vars(args).copy()
    del options["run"], options["command"]
    return _bench.run(**options)


def _explain(args):
    try:
        explanation = _measured(args) if args.measure else _explanation(args)
    except (TypeError, ValueError) as error:
        print(f"fastconv explain: {error}", file=sys.stderr)
        return 2
    if args.json:
        _print_json([row | {"cost": row["cost"] and row["cost"]._asdict()} for row in explanation])
        return 0
    for line in str(explanation).splitlines():
        print(_bold(line) if line.split()[1:2] in (["chosen"], ["runs,"]) else line)
    return 0


def _measured(args):
    """The explanation with its measurements, and a bar meanwhile."""
    from fastconv._call.explanation import TOLD
    from fastconv._core.progress import bar

    serving = [row for row in _explanation(args, False) if row["verdict"] != "refused"]
    with bar(len(serving), "method") as shown:

        def tell(name):
            shown.set_postfix_str(name)
            shown.update()

        token = TOLD.set(tell)
        try:
            return _explanation(args, True)
        finally:
            TOLD.reset(token)


def _explanation(args, measure=False):
    if len(args.shapes) == 1:
        from fastconv.testing.shapes import CONV_SHAPES

        layer = CONV_SHAPES.get(args.shapes[0])
        if layer is None:
            raise ValueError(f"no layer is called {args.shapes[0]!r}; one shape is not enough")
        x_shape, weight_shape = layer.input_shape(args.batch, args.data_format), layer.weight_shape
        options = layer.kwargs()
    elif len(args.shapes) == 2:
        (x_shape, weight_shape), options = map(_shape, args.shapes), {}
    else:
        raise ValueError("expected a layer's name, or the shapes of x and of the weight")
    given = {name: getattr(args, name) for name in ("stride", "padding", "dilation", "groups")}
    options |= {name: value for name, value in given.items() if value is not None}
    return fastconv.explain(
        x_shape, weight_shape, **options, padding_mode=args.padding_mode,
        padding_value=args.padding_value,
        data_format=args.data_format, flip=args.flip, dtype=args.dtype, precision=args.precision,
        method=args.method, max_workspace=args.max_workspace, num_threads=args.threads,
        which=args.which, measure=measure,
    )  # fmt: skip


def _selftest(args):
    from fastconv.testing import selftest

    return selftest.main(args.cases, args.seed, args.json)


def _shape(text):
    try:
        return _list(int)(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a shape such as 1,64,56,56") from None


def _extent(text):
    """An int, or one per axis."""
    values = _list(int)(text)
    return values[0] if len(values) == 1 else values


def _number(text):
    """An int, a float or a complex number."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return complex(text)


def _padding(text):
    return text if text.isalpha() or "_" in text else _extent(text)


def _parser():
    parser = argparse.ArgumentParser(
        prog="fastconv", description="CPU kernels for convolution and pooling on NumPy arrays.",
        epilog="Exit status: 0; 1 for a finding; 2 for wrong arguments or missing packages; 130\n"
        "after Ctrl-C. `fastconv COMMAND --help` has examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"fastconv {fastconv.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def add(name, run, text, *examples):
        command = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.RawTextHelpFormatter,
            epilog="\n  ".join(["examples:", *(f"fastconv {example}" for example in examples)]),
        )  # fmt: skip
        command.set_defaults(run=run)
        if name != "bench":
            command.add_argument("--json", action="store_true", help="print JSON in place of words")
        return command

    add("info", _info, "Show how fastconv was built and what it uses on this machine.",
        "info", "info --json")  # fmt: skip

    demo = add("demo", _demo, "Filter a photograph, train LeNet-5 on real digits, draw both.",
               "demo --output figures")  # fmt: skip
    demo.add_argument("--output", default=".", metavar="DIR", help="where to save the figure")
    demo.add_argument("--seed", type=int, default=0, help="of split, weights and augmentation")

    bench = add("bench", _bench, "Time fastconv against the libraries that are installed.",
                "bench --quick", "bench --layers resnet50 --threads 1,2 --json figures.json",
                "bench --filters gaussian,sobel", "bench --quantised depthwise")  # fmt: skip
    bench.add_argument(
        "--targets", type=_list(str), nargs="?", const=("all",), metavar="NAMES",
        help="measure the project's targets, all of them or those named (float32,pools*), and\n"
        "print their table; the next six options then leave out what they do not name",
    )  # fmt: skip
    bench.add_argument(
        "--filters", type=_list(str), nargs="?", const=("all",), metavar="NAMES",
        help="measure fastconv.ndimage, all of it or these functions (gaussian, sobel, laplace,\n"
        "correlate1d, uniform, maximum, minimum, correlate) or globs (correlate1d*axis 1);\n"
        "--dtype, --threads, --peers, --seconds, --rounds, --quick, --json and --rst apply",
    )  # fmt: skip
    bench.add_argument(
        "--quantised", type=_list(str), nargs="?", const=("all",), metavar="NAMES",
        help="measure quantised layers (plan_qconv), all of them or groups (3x3, 1x1, first,\n"
        "other, depthwise) or globs; --threads, --peers, --seconds, --rounds, --quick and --json\n"
        "apply",
    )  # fmt: skip
    bench.add_argument(
        "--layers", type=_list(str), metavar="NAMES",
        help="groups (performance, direct, image, signal, volume, pools, tiny, all), networks\n"
        "(resnet50), layers or globs (vgg16.conv3_*), separated by commas; default:\n"
        "performance,tiny",
    )  # fmt: skip
    bench.add_argument(
        "--passes", type=_list(str, _PASSES), metavar="NAMES",
        help=f"{', '.join(_PASSES)}; default: forward",
    )  # fmt: skip
    bench.add_argument(
        "--dtype", type=_list(str, _IMAGES), metavar="NAMES", dest="dtypes",
        help=f"{', '.join(_DTYPES)}; default: float32; of filters also uint8, uint16; default: all",
    )  # fmt: skip
    bench.add_argument("--batch", type=_list(_positive), metavar="N,...", dest="batches",
                       help="batch sizes; default: 1")  # fmt: skip
    bench.add_argument("--threads", type=_list(_positive), metavar="N,...",
                       help="numbers of threads, for everyone; default: 1")  # fmt: skip
    bench.add_argument(
        "--peers", type=_list(str), metavar="NAMES",
        help="torch, torch-cl, ort, openvino, ncnn, opencv, scipy, scipy-signal, scipy-fft,\n"
        "numpy; an empty string for none; default: all that are installed",
    )  # fmt: skip
    bench.add_argument("--seconds", type=_positive_seconds, metavar="S",
                       help="for each contender and layer; default: 0.4, targets 0.2")  # fmt: skip
    bench.add_argument("--rounds", type=_positive, metavar="N",
                       help="turns for this time; default: 5, targets 3")  # fmt: skip
    bench.add_argument("--random", type=int, metavar="SEED",
                       help="measure random points in place of layers, and each method on them")
    bench.add_argument("--kinds", type=_list(str), metavar="NAMES",
                       help="of random points: filters, layers, pools; default: all")
    bench.add_argument("--points", type=_positive, metavar="N",
                       help="how many of each kind; default: 50")
    bench.add_argument("--quick", action="store_true", help="a handful of layers, a short time")
    bench.add_argument("--json", metavar="FILE", help="write all figures there")
    bench.add_argument("--rst", metavar="FILE", help="write tables for documents there")
    bench.add_argument("--plot", metavar="FILE", help="draw ratios and rooflines there")

    explain = add("explain", _explain, "Say which algorithm a convolution takes, and why.",
                  "explain 1,64,56,56 64,32,3,3 --groups 2    1 image, 64 filters in 2 groups",
                  "explain 1,1,100000 1,1,501 --padding same  1 signal, 1 filter of 501 taps",
                  "explain resnet50.conv2_x.3x3 --batch 8 --measure")  # fmt: skip
    explain.add_argument(
        "shapes", nargs="+", metavar="shape",
        help="the shape of x: images, channels, height, width;\n"
        "and the shape of the weight: filters, channels of a group, height, width;\n"
        "signals have a length, volumes depth, height, width in the place of the last two.\n"
        "Or the name of a layer, such as resnet50.conv2_x.3x3",
    )  # fmt: skip
    explain.add_argument("--batch", type=_positive, default=1, help="with a layer's name")
    explain.add_argument("--stride", type=_extent, metavar="N[,N]",
                         help="from one result to the next; default: 1")  # fmt: skip
    explain.add_argument("--padding", type=_padding, metavar="N[,N]",
                         help="on each side, or same, valid, full; default: 0")  # fmt: skip
    explain.add_argument("--dilation", type=_extent, metavar="N[,N]",
                         help="from one weight to the next; default: 1")  # fmt: skip
    explain.add_argument("--groups", type=int, metavar="N",
                         help="parts of the channels that do not meet; default: 1")  # fmt: skip
    explain.add_argument("--padding-mode", default="zeros", metavar="MODE",
                         help="zeros, constant, reflect, symmetric, replicate, circular")
    explain.add_argument("--padding-value", type=_number, default=0, metavar="NUMBER",
                         help="of --padding-mode=constant")  # fmt: skip
    explain.add_argument("--flip", action="store_true", help="turn the kernel round")
    explain.add_argument("--dtype", default="float32", metavar="NAME",
                         help="any that arrays can have: float16, complex64, int8, …")  # fmt: skip
    explain.add_argument("--pass", default="forward", choices=_PASSES, dest="which",
                         help="the result, or a gradient")  # fmt: skip
    explain.add_argument("--max-workspace", type=int, metavar="BYTES", help="of scratch memory")
    explain.add_argument("--threads", type=_positive, metavar="N", help="of the measurement")
    explain.add_argument("--measure", action="store_true", help="run and time each that can serve")
    for command in (bench, explain):
        command.add_argument("--data-format", default="channels_first",
                             choices=("channels_first", "channels_last"),
                             help="where x and the result have their channels")  # fmt: skip
        command.add_argument("--method", default="auto", metavar="NAME", help="of fastconv")
        command.add_argument("--precision", choices=("highest", "high", "medium"),
                             help="the promise to keep; default: that of the dtype")  # fmt: skip

    selftest = add("selftest", _selftest, "Check this installation against the reference.",
                   "selftest", "selftest --cases 1000 --json")  # fmt: skip
    selftest.add_argument("--cases", type=_positive, default=200, metavar="N",
                          help="random convolutions for each instruction set")  # fmt: skip
    selftest.add_argument("--seed", type=int, default=0, help="number of the first")
    return parser


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments in place of those of the process.

    Returns
    -------
    int
        The exit status: 0, 1 for a finding, 2 for wrong arguments or missing packages, 130 after
        Ctrl-C, 141 where nobody reads on.
    """
    args = _parser().parse_args(argv)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # such as of `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
