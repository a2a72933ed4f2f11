"""What `explain` and `conv_cost` return, and how these show themselves: in words and as tables."""
from contextvars import ContextVar

from fastconv._core.html import table

# Called with each algorithm's name before `explain` times it: the command line has a bar.
TOLD = ContextVar("TOLD", default=lambda name: None)

# By the number of spatial axes: what an array holds, and what it is made of.
NOUNS = {1: ("signal", "samples"), 2: ("image", "pixels"), 3: ("volume", "voxels")}
WORTH_SAYING = 1.2   # times as fast
SOUGHT = {"forward": "the result", "backward_data": "the gradient for x",
          "backward_weight": "the gradient for the weight"}  # fmt: skip


class Explanation(list):
    """Every algorithm's verdict on one convolution: a list of dicts that prints as a table.

    The head says in words what is computed and what runs.
    """

    def __init__(self, head, rows):
        super().__init__(rows)
        self.head = head

    def _columns(self):
        """The titles of the table's columns, and the cells of each row."""
        timed = any(row["seconds"] is not None for row in self)
        titles = ["method", "verdict", "estimated", *(["measured"] if timed else []), "memory",
                  "promise", "what takes the time, or why not"]  # fmt: skip
        cells = []
        for row in self:
            times = [row["estimated_seconds"], *([row["seconds"]] if timed else [])]
            cells.append([
                row["method"], row["verdict"], *map(duration, times), size(row["workspace_bytes"]),
                row["tier"], row["reason"] or shares(row["cost"]),
            ])  # fmt: skip
        return titles, cells

    def __str__(self):
        titles, cells = self._columns()
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                 for row in (titles, *cells)]  # fmt: skip
        return "\n".join([self.head, *(line.rstrip() for line in lines)])

    __repr__ = __str__

    def _repr_html_(self):
        titles, cells = self._columns()
        chosen = [row["verdict"] for row in self].index("chosen")
        return table(cells, titles, self.head, chosen)


class ConvCost(dict):
    """The dictionary that `conv_cost` returns, which a notebook shows as a table."""

    def _repr_html_(self):
        form = {int: "{:,}", float: "{:.4g}"}
        return table([(name.replace("_", " "), form.get(type(value), "{}").format(value))
                      for name, value in self.items()])  # fmt: skip


def plan_as_html(plan, desc, dtype):
    """A plan as a table, from its description."""
    return table([
        ("x", image(desc.input_shape(desc.batch), desc)), ("weight", filters(desc)),
        ("result", f"{image(plan.output_shape, desc)}, {dtype}"), ("method", plan.method),
        ("memory of a call", size(plan.workspace_bytes)),
        ("multiply-adds of direct sums", f"{plan.flops / 2:,.0f}"),
    ], title="A plan: weights packed, method chosen")  # fmt: skip


# ---- words --------------------------------------------------------------------------------------

def heading(asked, which, dtype, precision, rows, gave_way, permitted):
    """What is computed, what runs, and how long the next would take: the lines above the table.

    gave_way: the algorithm that keeps the precision, and how many times as long it would take,
    where that was too much for a default; or None. permitted: the row of the fastest algorithm that
    keeps the next promise only, or None.
    """
    chosen = next(row for row in rows if row["verdict"] == "chosen")
    others = [row for row in rows if row["verdict"] == "can serve" and row["estimated_seconds"]]
    lines = [
        f"To compute {SOUGHT[which]} of a convolution in {dtype}, precision {precision!r}:",
        f"  x       {image(asked.input_shape(asked.batch), asked)}",
        f"  weight  {filters(asked)}",
        f"  result  {image(asked.output_shape(asked.batch), asked)}",
        f"  {chosen['flops'] / 2:,.0f} multiply-adds, if all of them are done",
        f"{chosen['method']} runs, estimated at {duration(chosen['estimated_seconds'])} on one "
        f"thread",
    ]
    if others and chosen["estimated_seconds"] and not gave_way:
        next_best = min(others, key=lambda row: row["estimated_seconds"])
        lines[-1] += f"; {next_best['method']} would {compared(next_best, chosen)}"
    lines[-1] += "."
    if permitted and permitted["estimated_seconds"] * WORTH_SAYING < chosen["estimated_seconds"]:
        lines.append(f"precision={permitted['tier']!r} would permit {permitted['method']}, which "
                     f"would {compared(permitted, chosen)}.")
    if gave_way:
        strict, times = gave_way
        lines.append(f"By default the promise gives way: {strict.name}, the fastest that keeps it, "
                     f"would take about {times:.0f} times as long.")  # fmt: skip
    return "\n".join(lines)


def compared(row, chosen):
    """``take 1.3 times as long``, or ``be 2.5 times as fast``."""
    times = row["estimated_seconds"] / chosen["estimated_seconds"]
    return f"take {times:.1f} times as long" if times >= 1 else f"be {1 / times:.1f} times as fast"


def image(shape, desc):
    """``(1, 64, 56, 56): 1 image of 56x56 pixels in 64 channels``."""
    noun, parts = NOUNS[desc.geometry["rank"]]
    inner = shape[1:] if len(shape) == desc.geometry["rank"] + 2 else shape
    *lengths, channels = inner if desc.geometry["channels_last"] else (*inner[1:], inner[0])
    return (f"{shape}: {counted(desc.batch, noun)} of {by(lengths)} {parts} in "
            f"{counted(channels, 'channel')}")  # fmt: skip


def filters(desc):
    """``(64, 64, 3, 3): 64 filters of 3x3 on 64 channels``."""
    count, channels, *kernel = shape = desc.weight_shape()
    groups = desc.geometry["groups"]
    each = f", in {groups} groups" if groups > 1 else ""
    return (f"{shape}: {counted(count, 'filter')} of {by(kernel)} on "
            f"{counted(channels, 'channel')}{each}")  # fmt: skip


def counted(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def by(lengths):
    return "x".join(map(str, lengths))


def duration(seconds):
    """Seconds in a unit that suits them."""
    if seconds is None:
        return "-"
    for unit, scale in (("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:  # else three digits would be 1e+03
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def size(count):
    """Bytes in a unit that suits them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def shares(cost):
    """The terms of an estimate, from the largest on, as far as they matter."""
    if cost is None or cost.seconds == 0:
        return "-"
    parts = {term: seconds / cost.seconds for term, seconds in cost._asdict().items()}
    return ", ".join(f"{term} {share:.0%}"
                     for term, share in sorted(parts.items(), key=lambda item: -item[1])
                     if share >= 0.01)  # fmt: skip
