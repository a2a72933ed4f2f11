"""NumPy's reductions, where memory may run out."""


def reduced(ufunc, array, **options):
    """``ufunc.reduce``. Where it finds no memory, NumPy may fail without an exception."""
    try:
        return ufunc.reduce(array, **options)
    except SystemError:
        raise MemoryError("NumPy cannot allocate what a reduction needs") from None
