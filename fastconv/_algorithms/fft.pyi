from fastconv._algorithms.record import Algorithm

ALGORITHM: Algorithm
