"""Benchmarks of fastconv alone, for asv: the same figure, release after release.

Names of layers, and the calls that are timed, are those of ``fastconv bench``, which compares with
other libraries.
"""
