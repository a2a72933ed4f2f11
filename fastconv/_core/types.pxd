"""The element types that drivers are written for."""

ctypedef fused real_t:
    float
    double
