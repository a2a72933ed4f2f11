"""Fall back: what a transform cannot be trusted with is computed by direct sums.

Transforms mix all elements of a tile. One NaN or infinity there spoils them all, and huge values
overflow on the way where the sums themselves would not. Special values keep their place at every
tier, so an algorithm below the tier "highest" tells which images it could not serve, and these are
computed again by an algorithm of direct sums. The algorithms themselves know nothing of each other.
"""
from fastconv._algorithms.record import Algorithm


class Guarded:
    """A prepared pass, and the strict one beside it, which is prepared when first needed."""

    def __init__(self, kernel, prepare_strict):
        self._kernel = kernel
        self._prepare_strict = prepare_strict
        self._strict = None

    def run(self, source, bias, residual, out, threads):
        """As `Algorithm.prepare` says."""
        refused = self._kernel.run(source, bias, residual, out, threads)
        if refused:
            if self._strict is None:  # two threads may both make one; either will do
                self._strict = self._prepare_strict(threads)
            for n in refused:
                self._strict.run(source[n:n + 1], bias,
                                 None if residual is None else residual[n:n + 1],
                                 out[n:n + 1], threads)


def guarded(algorithm: Algorithm, strict: Algorithm) -> Algorithm:
    """`algorithm`, with `strict` for whatever it refuses.

    The weights may be refused as a whole (`prepare` returns None) and each image alone (`run`
    returns their positions in the batch). In a sum over the batch one image is all of them.
    """

    def workspace(desc, which, threads):
        return algorithm.workspace(desc, which, threads) + strict.workspace(desc, which, threads)

    def prepare(desc, which, weight, threads=1):
        def prepare_strict(threads):
            return strict.prepare(desc, which, weight, threads)

        kernel = algorithm.prepare(desc, which, weight, threads)
        return prepare_strict(threads) if kernel is None else Guarded(kernel, prepare_strict)

    def weight_gradient(desc, grad, x, out, per_sample, threads):
        refused = algorithm.weight_gradient(desc, grad, x, out, per_sample, threads)
        if refused and not per_sample:
            strict.weight_gradient(desc, grad, x, out, per_sample, threads)
        elif refused:
            for n in refused:
                strict.weight_gradient(desc, grad[n:n + 1], x[n:n + 1], out[n:n + 1], True,
                                       threads)

    return algorithm._replace(workspace=workspace, prepare=prepare,
                              weight_gradient=weight_gradient)
