"""The project's targets, as far as they ask for no other library.

`fastconv bench --targets` has all of them; what compares with peers follows from the times of the
other suites, release after release.
"""

from fastconv._bench import measure, peers, targets

ROWS = {row.name: row for row in targets.ROWS if not row.peers}
OURS = {kind.name: kind for kind in peers.OURS}


class Target:
    """The geometric mean over a row's cases; import and wheel need an ordinary installation."""

    param_names = ("row",)
    params = (list(ROWS),)

    def track_mean(self, row):
        row = ROWS[row]
        if not row.layers:
            result = targets.probe(row)
        else:
            contenders = [OURS[name](precision=row.precision) for name in row.ours]
            cases, measured = targets.cases_of(row, batches=(1,)), {}
            for case in cases:
                measured[row.key(case)] = measure.measure(case, contenders, 0.05, 2)
                case.forget()
            result = targets.result(row, cases, measured)
        if not result.figures:
            raise NotImplementedError(result.reason)
        return result.mean
