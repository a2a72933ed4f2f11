"""Fall back: what a transform cannot be trusted with is computed by direct sums.

Transforms mix all elements of a tile. One NaN or infinity there spoils them all, and huge values
overflow on the way where the sums themselves would not. Special values keep their place at every
tier, so an algorithm below the tier "highest" tells which images it could not serve, and these are
computed again by an algorithm of direct sums. Results of other images may have been written by
then, so where there is no memory for that, one that needs none computes them, however long it
takes. The algorithms themselves know nothing of each other.
"""
from fastconv._algorithms.record import Algorithm


class Guarded:
    """A prepared pass, and those beside it, which are prepared when first needed."""

    def __init__(self, kernel, others):
        self._kernel = kernel
        self._others = others  # algorithms' `prepare`, or what they gave

    def run(self, source, bias, residual, out, threads):
        """As `Algorithm.prepare` says."""
        for n in self._kernel.run(source, bias, residual, out, threads) or ():
            self._run_strictly(source[n:n + 1], bias,
                               None if residual is None else residual[n:n + 1], out[n:n + 1],
                               threads)

    def _run_strictly(self, source, bias, residual, out, threads):
        try:
            self._other(0, threads).run(source, bias, residual, out, threads)
        except MemoryError:
            self._other(1, threads).run(source, bias, residual, out, threads)

    def _other(self, i, threads):
        if callable(self._others[i]):  # two threads may both make one; either will do
            self._others[i] = self._others[i](threads)
        return self._others[i]


def guarded(algorithm: Algorithm, strict: Algorithm, last: Algorithm) -> Algorithm:
    """`algorithm`, with `strict` for whatever it refuses, and `last` where memory runs out.

    The weights may be refused as a whole (`prepare` returns None) and each image alone (`run`
    returns their positions in the batch). In a sum over the batch one image is all of them.
    """

    def workspace(desc, which, threads):
        return algorithm.workspace(desc, which, threads) + strict.workspace(desc, which, threads)

    def prepare(desc, which, weight, threads=1):
        def prepare_with(other):
            return lambda threads: other.prepare(desc, which, weight, threads)

        kernel = algorithm.prepare(desc, which, weight, threads)
        if kernel is None:
            return strict.prepare(desc, which, weight, threads)
        return Guarded(kernel, [prepare_with(strict), prepare_with(last)])

    def weight_gradient(desc, grad, x, out, per_sample, threads):
        refused = algorithm.weight_gradient(desc, grad, x, out, per_sample, threads)
        parts = [slice(n, n + 1) for n in refused or ()] if per_sample else [slice(None)]
        for n in parts if refused else ():
            target = out[n] if per_sample else out
            try:
                strict.weight_gradient(desc, grad[n], x[n], target, per_sample, threads)
            except MemoryError:
                last.weight_gradient(desc, grad[n], x[n], target, per_sample, threads)

    return algorithm._replace(workspace=workspace, prepare=prepare,
                              weight_gradient=weight_gradient)
