"""What the drivers share: threads, scratch memory, BLAS, the measured peaks."""
