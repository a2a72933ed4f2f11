cdef double BANDWIDTH

cdef double CLOCK

cdef double peak(Py_ssize_t itemsize) except -1

# Estimated seconds for one image on one thread, by the terms of `record.Cost`.
cdef struct CostTerms:
    double arithmetic, gather, transform, traffic, start


cdef inline double total(const CostTerms *terms) noexcept nogil:
    return terms.start + terms.transform + terms.gather + terms.arithmetic + terms.traffic
