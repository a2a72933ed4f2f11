"""From arrays to arrays: what every public function does, once its docstring is read.

- `conv`, `pool`, `columns`: the calls; `plan`: what a plan holds.
- `cache`: descriptions of recent calls, and the algorithms chosen for them.
- `output`: where a result is computed, and where it goes.
- `frame`: padding that a pooling takes for elements like others.
- `kernels`: what a pass runs, around an algorithm's: padding modes, complex numbers, integers.
- `integers`: which way those of 8 and 16 bits go; `quantized`: layers of them.
"""
