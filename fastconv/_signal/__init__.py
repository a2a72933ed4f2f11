"""SciPy's signal filters in terms of convolutions: what `fastconv.signal` calls.

A function here computes one of SciPy's, or returns `HANDED_ON` where it does not serve the
arguments, and then SciPy's own function has them. Nothing is written before that.

- `arguments`: which arrays and options are served.
- `sums`: direct convolutions of any number of axes; `fourier`: those by transforms; `choice`: the
  quicker of both; `planes`: two axes with boundaries.
- `polyphase`: upsampling, filtering and downsampling, with SciPy's extensions beyond the ends.
- `lines`: filters along one axis.
"""
