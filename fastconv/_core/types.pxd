"""The element types that drivers are written for."""
from libc.stdint cimport uint8_t, uint16_t

ctypedef fused real_t:
    float
    double

# What is moved unchanged, whatever it means: as many bytes.
ctypedef fused moved_t:
    uint8_t
    uint16_t
    float
    double
    double complex
