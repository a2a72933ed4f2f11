"""The filters of images under SciPy's names: drivers that give SciPy's own bits.

`lines` runs filters along axes one after the other, over strips that stay in the cache; `points`
runs kernels and footprints of any rank. Both move elements by way of `panel`, and are called by
`fastconv.ndimage` alone.
"""
