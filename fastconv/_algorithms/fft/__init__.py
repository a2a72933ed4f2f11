"""FFT: convolution as products of spectra, a tile at a time, by SciPy's transforms.

Overlap-save. A tile of F positions of each source, transformed, times the spectrum of the kernel
of M taps, transformed back, gives F - M + 1 results that nothing has wrapped around into. The sum
over channels is taken of spectra, so every source is transformed once and every sink once.

Stride and dilation first fall away. Along an axis, output o and tap j meet input position
i = o s + j d - p. With g = gcd(s, d), s = g s', d = g d', write o = d' t + a and j = s' m + b.
Then

    i = g (s' d' (t + m) + a s' + b d') - p,

so outputs of equal *output phase* a, taps of equal *phase* b and every (g s' d')-th input position
make up a convolution without stride or dilation, y_a[t] = sum over b and m of x_ab[t + m] w_b[m].
Phases are further channels of what is read; output phases are independent and share the spectra of
the kernel. backward_data is the transpose, with the phases among the planes written, and
backward_weight sums the products of spectra over tiles and images. So no pass multiplies zeros or
computes what a stride then drops.

`lattice` finds the phases and cuts each pass into tiles of the least time, `staging` gathers tiles
and stores them, `levels` tells which are not exact enough, `weights` does so for kernels,
`transforms` calls SciPy, `spectra` multiplies; `correlation` has the forward pass and
backward_data, `gradient` the gradient of the weights, `record` what the registry knows.

Whatever is transformed in one call of `scipy.fft` depends on one image alone: how its loops pair
transforms up in vectors must not show in the result. The same holds for threads, which share out
these calls.

Sources: Stockham, "High-speed convolution and correlation" (1966); Oppenheim and Schafer,
"Discrete-time signal processing" (overlap-save, polyphase); Mathieu, Henaff and LeCun, "Fast
training of convolutional networks through FFTs" (2014); Zlateski, Jia, Li and Durand, "The anatomy
of efficient FFT and Winograd convolutions on modern CPUs" (2019).
"""
from fastconv._algorithms.fft.record import ALGORITHM

__all__ = ["ALGORITHM"]
