"""Compute: micro-kernels, compiled once per instruction set (see README.md)."""
