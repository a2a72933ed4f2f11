"""The filters of `scipy.signal`, under its names: ``from fastconv import signal``.

Arguments, defaults, dtypes and errors are those of the installed SciPy. `SERVED` says what is
computed here; every other call, and every other name of `scipy.signal`, is handed on to SciPy.
"""
from fastconv._signal import convolution, lines, planes, polyphase
from fastconv._signal.arguments import HANDED_ON, options, scipy_signal

# What every function hands on to SciPy, and what each does besides; all else is computed here.
HANDED_ON_BY_ALL = (
    "bool, float16, long double, object and other dtypes; subclasses of ndarray and arrays of "
    "other libraries; arrays without elements; whatever SciPy refuses")
SERVED = {
    "choose_conv_method": "integers beside numbers that are not finite",
    "convolve": "direct sums of more than three axes with taps, integers that pass int64, kernels "
                "with NaN or infinities, complex results that are not finite; transforms of what "
                "is not finite",
    "convolve2d": "kernels with NaN or infinities, complex results that are not finite, integers "
                  "that pass int64, a fill value that is no finite number of Python's; small "
                  "images",
    "correlate": "as convolve",
    "correlate2d": "as convolve2d",
    "decimate": "filters that are not FIR; what is not finite",
    "fftconvolve": "what is not finite, axes without a convolution; small arrays",
    "lfilter": "denominators of more than one coefficient, coefficients or complex results that "
               "are not finite, a zi that has to be broadcast",
    "oaconvolve": "as fftconvolve",
    "resample_poly": "what is not finite, equal factors",
    "savgol_filter": "complex numbers, arguments of other types, ends that are not finite",
    "sepfir2d": "filters that are no arrays, filters with NaN or infinities; small images",
    "upfirdn": "what is not finite; short signals",
}


def __getattr__(name):
    if name.startswith("__") and name != "__all__":  # of Python's protocols, as __path__
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(scipy_signal(), name)


def __dir__():
    return sorted({*globals(), *dir(scipy_signal())})


def convolve(in1, in2, mode="full", method="auto", *, num_threads=None, precision=None):
    """Convolve two arrays of any number of axes: `scipy.signal.convolve`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with the same number of axes.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    method : {"auto", "direct", "fft"}
        By default transforms where SciPy takes them too and `explain`'s models find them quicker.
    num_threads : int, optional
        Most threads; by default `get_num_threads`.
    precision : {"highest", "high", "medium"}, optional
        What direct sums may round; by default ``"highest"``.

    Returns
    -------
    ndarray
        With NumPy's promotion of both dtypes; sums of integers wrap around.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    correlate : The same without reversing `in2`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.convolve([1, 2, 3], [0, 1, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    """
    how = options("convolve", num_threads, precision)
    result = convolution.convolve(in1, in2, mode, method, how)
    if result is HANDED_ON:
        return scipy_signal().convolve(in1, in2, mode, method)
    return result


def correlate(in1, in2, mode="full", method="auto", *, num_threads=None, precision=None):
    """Correlate two arrays of any number of axes: `scipy.signal.correlate`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with the same number of axes; `in2` is conjugated.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    method : {"auto", "direct", "fft"}
        As for `convolve`.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        With NumPy's promotion of both dtypes; sums of integers wrap around.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    convolve : The same with `in2` reversed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.correlate(np.array([1, 2, 3]), np.array([0, 1]), mode="same")
    array([1, 2, 3])
    """
    how = options("correlate", num_threads, precision)
    result = convolution.correlate(in1, in2, mode, method, how)
    if result is HANDED_ON:
        return scipy_signal().correlate(in1, in2, mode, method)
    return result


def fftconvolve(in1, in2, mode="full", axes=None, *, num_threads=None, precision=None):
    """Convolve two arrays by transforms: `scipy.signal.fftconvolve`.

    Long axes are transformed in blocks, on threads, where that is less work.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with the same number of axes.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    axes : int or sequence of int, optional
        The axes to convolve along; NumPy's broadcasting goes for the others. By default all.
    num_threads, precision : optional
        As for `convolve`; transforms have the precision of the result.

    Returns
    -------
    ndarray
        Floating-point or complex numbers.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    convolve : By the quicker method.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.fftconvolve(np.ones(3), np.array([1.0, 2.0])).round(6)
    array([1., 3., 3., 2.])
    """
    how = options("fftconvolve", num_threads, precision)
    result = convolution.fftconvolve(in1, in2, mode, axes, how)
    if result is HANDED_ON:
        return scipy_signal().fftconvolve(in1, in2, mode, axes)
    return result


def oaconvolve(in1, in2, mode="full", axes=None, *, num_threads=None, precision=None):
    """Convolve arrays of different lengths by transforms: `scipy.signal.oaconvolve`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with the same number of axes.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    axes : int or sequence of int, optional
        The axes to convolve along; NumPy's broadcasting goes for the others. By default all.
    num_threads, precision : optional
        As for `fftconvolve`.

    Returns
    -------
    ndarray
        Floating-point or complex numbers.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    fftconvolve : The same here; it takes blocks too.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.oaconvolve(np.ones(5), np.array([1.0, 2.0]), mode="valid").round(6)
    array([3., 3., 3., 3.])
    """
    how = options("oaconvolve", num_threads, precision)
    result = convolution.fftconvolve(in1, in2, mode, axes, how)
    if result is HANDED_ON:
        return scipy_signal().oaconvolve(in1, in2, mode, axes)
    return result


def choose_conv_method(in1, in2, mode="full", measure=False, *, num_threads=None, precision=None):
    """Say which method `convolve` takes: `scipy.signal.choose_conv_method`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with the same number of axes.
    mode : {"full", "same", "valid"}
        As for `convolve`.
    measure : bool, default False
        Run both, and time them.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    method : {"direct", "fft"}
        The one that is estimated, or measured, to be quicker.
    times : dict
        Only if `measure`: seconds of each method.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    convolve : Which takes it by default.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.choose_conv_method(np.ones(100), np.ones(5))
    'direct'
    >>> signal.choose_conv_method(np.ones(100_000), np.ones(50_000))
    'fft'
    """
    how = options("choose_conv_method", num_threads, precision)
    result = convolution.choose_conv_method(in1, in2, mode, measure, how)
    if result is HANDED_ON:
        return scipy_signal().choose_conv_method(in1, in2, mode, measure)
    return result


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, num_threads=None,
               precision=None):
    """Convolve two images: `scipy.signal.convolve2d`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with two axes.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    boundary : {"fill", "wrap", "symm"}
        What `in1` has beyond its edges: `fillvalue`, its other side, or its mirror image.
    fillvalue : number, default 0
        For ``boundary="fill"``.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        With NumPy's promotion of both dtypes; sums of integers wrap around.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    correlate2d : The same without reversing `in2`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.convolve2d(np.eye(3), np.ones((2, 2)), mode="same", boundary="wrap")
    array([[2., 1., 1.],
           [1., 2., 1.],
           [1., 1., 2.]])
    """
    how = options("convolve2d", num_threads, precision)
    result = planes.convolve2d(in1, in2, mode, boundary, fillvalue, how)
    if result is HANDED_ON:
        return scipy_signal().convolve2d(in1, in2, mode, boundary, fillvalue)
    return result


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, *, num_threads=None,
                precision=None):
    """Correlate two images: `scipy.signal.correlate2d`.

    Parameters
    ----------
    in1, in2 : array_like
        Arrays with two axes; `in2` is conjugated.
    mode : {"full", "same", "valid"}
        All sums, those around the elements of `in1`, or those without padding.
    boundary : {"fill", "wrap", "symm"}
        What `in1` has beyond its edges: `fillvalue`, its other side, or its mirror image.
    fillvalue : number, default 0
        For ``boundary="fill"``.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        With NumPy's promotion of both dtypes; sums of integers wrap around.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    convolve2d : The same with `in2` reversed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.correlate2d(np.arange(9).reshape(3, 3), np.array([[1, -1]]), mode="valid")
    array([[-1, -1],
           [-1, -1],
           [-1, -1]])
    """
    how = options("correlate2d", num_threads, precision)
    result = planes.correlate2d(in1, in2, mode, boundary, fillvalue, how)
    if result is HANDED_ON:
        return scipy_signal().correlate2d(in1, in2, mode, boundary, fillvalue)
    return result


def sepfir2d(input, hrow, hcol, /, *, num_threads=None, precision=None):
    """Filter an image along both axes: `scipy.signal.sepfir2d`.

    Parameters
    ----------
    input : array_like
        An array with two axes; beyond its edges is its mirror image.
    hrow, hcol : ndarray
        Filters of odd length along rows and columns.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        Float32, float64 or complex numbers, of the shape of `input`.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    convolve2d : With a filter that is not separable.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.sepfir2d(np.eye(3), np.array([1.0, 2.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    array([[3., 1., 0.],
           [1., 2., 1.],
           [0., 1., 3.]])
    """
    how = options("sepfir2d", num_threads, precision)
    result = planes.sepfir2d(input, hrow, hcol, how)
    if result is HANDED_ON:
        return scipy_signal().sepfir2d(input, hrow, hcol)
    return result


def upfirdn(h, x, up=1, down=1, axis=-1, mode="constant", cval=0, *, num_threads=None,
            precision=None):
    """Upsample, filter and downsample: `scipy.signal.upfirdn`.

    Parameters
    ----------
    h : array_like
        The filter, one axis.
    x : array_like
        Signals.
    up, down : int, default 1
        Factors.
    axis : int, default -1
        The axis of `x` to filter along.
    mode : str, default "constant"
        What is beyond the ends: ``"constant"``, ``"symmetric"``, ``"reflect"``, ``"edge"``,
        ``"wrap"``, ``"smooth"``, ``"line"``, ``"antisymmetric"`` or ``"antireflect"``.
    cval : number, default 0
        For ``mode="constant"``.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        With NumPy's promotion of both dtypes and float32.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    resample_poly : With a filter that suits the factors.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.upfirdn([1, 1, 1], [1.0, 2.0, 3.0], up=3)
    array([1., 1., 1., 2., 2., 2., 3., 3., 3.])
    """
    how = options("upfirdn", num_threads, precision)
    result = polyphase.upfirdn(h, x, up, down, axis, mode, cval, how)
    if result is HANDED_ON:
        return scipy_signal().upfirdn(h, x, up, down, axis, mode, cval)
    return result


def resample_poly(x, up, down, axis=0, window=("kaiser", 5.0), padtype="constant", cval=None, *,
                  num_threads=None, precision=None):
    """Resample signals by a rational factor: `scipy.signal.resample_poly`.

    Parameters
    ----------
    x : array_like
        Signals.
    up, down : int
        The factor, ``up / down``.
    axis : int, default 0
        The axis of `x` to resample.
    window : str, tuple or array_like, default ("kaiser", 5.0)
        The window of the low-pass filter, or the filter itself.
    padtype : str, default "constant"
        What is beyond the ends: a mode of `upfirdn`, or ``"mean"``, ``"median"``, ``"minimum"`` or
        ``"maximum"``.
    cval : number, optional
        For ``padtype="constant"``.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        Floating-point or complex numbers.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    decimate : By an integer.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.resample_poly(np.ones(100), 3, 2).shape
    (150,)
    """
    how = options("resample_poly", num_threads, precision)
    result = lines.resample_poly(x, up, down, axis, window, padtype, cval, how)
    if result is HANDED_ON:
        return scipy_signal().resample_poly(x, up, down, axis, window, padtype, cval)
    return result


def decimate(x, q, n=None, ftype="iir", axis=-1, zero_phase=True, *, num_threads=None,
             precision=None):
    """Filter and keep each q-th sample: `scipy.signal.decimate`.

    Parameters
    ----------
    x : array_like
        Signals.
    q : int
        The factor.
    n : int, optional
        The order of the filter; for ``"fir"`` by default 20 times `q`.
    ftype : {"iir", "fir"} or dlti
        The filter; all but ``"fir"`` is SciPy's.
    axis : int, default -1
        The axis of `x` to filter along.
    zero_phase : bool, default True
        Shift the result back by the filter's delay.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        Floating-point or complex numbers.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    resample_poly : By a rational factor.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.decimate(np.ones(100), 4, ftype="fir").shape
    (25,)
    """
    how = options("decimate", num_threads, precision)
    result = lines.decimate(x, q, n, ftype, axis, zero_phase, how)
    if result is HANDED_ON:
        return scipy_signal().decimate(x, q, n, ftype, axis, zero_phase)
    return result


def lfilter(b, a, x, axis=-1, zi=None, *, num_threads=None, precision=None):
    """Filter signals by a rational transfer function: `scipy.signal.lfilter`.

    Parameters
    ----------
    b : array_like
        Coefficients of the numerator.
    a : array_like
        Those of the denominator. With more than one, the filter is SciPy's.
    x : array_like
        Signals.
    axis : int, default -1
        The axis of `x` to filter along.
    zi : array_like, optional
        The state before the first sample.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    y : ndarray
        The filtered signals.
    zf : ndarray
        Only if `zi` is given: the state after the last sample.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        As SciPy does.

    See Also
    --------
    upfirdn : With other rates.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.lfilter([0.5, 0.5], 1.0, np.array([2.0, 4.0, 6.0]))
    array([1., 3., 5.])
    """
    how = options("lfilter", num_threads, precision)
    result = lines.lfilter(b, a, x, axis, zi, how)
    if result is HANDED_ON:
        return scipy_signal().lfilter(b, a, x, axis, zi)
    return result


def savgol_filter(x, window_length, polyorder, deriv=0, delta=1.0, axis=-1, mode="interp",
                  cval=0.0, *, num_threads=None, precision=None):
    """Smooth signals by polynomials: `scipy.signal.savgol_filter`.

    Parameters
    ----------
    x : array_like
        Signals.
    window_length : int
        Samples that a polynomial is fitted to.
    polyorder : int
        Its order.
    deriv : int, default 0
        Which derivative is returned.
    delta : float, default 1.0
        The distance of the samples, for derivatives.
    axis : int, default -1
        The axis of `x` to filter along.
    mode : {"interp", "mirror", "constant", "nearest", "wrap"}
        What is beyond the ends; with ``"interp"`` the last polynomials go on to them.
    cval : number, default 0.0
        For ``mode="constant"``.
    num_threads, precision : optional
        As for `convolve`.

    Returns
    -------
    ndarray
        Float32 for float32, else float64, of the shape of `x`.

    Raises
    ------
    TypeError, ValueError
        As SciPy does.

    See Also
    --------
    lfilter : With coefficients of one's own.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import signal
    >>> signal.savgol_filter(np.arange(10.0) ** 2, 5, 2).round(6)
    array([ 0.,  1.,  4.,  9., 16., 25., 36., 49., 64., 81.])
    """
    how = options("savgol_filter", num_threads, precision)
    result = lines.savgol_filter(x, window_length, polyorder, deriv, delta, axis, mode, cval, how)
    if result is HANDED_ON:
        return scipy_signal().savgol_filter(x, window_length, polyorder, deriv, delta, axis, mode,
                                            cval)
    return result
