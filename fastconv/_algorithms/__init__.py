"""Drive: one file per convolution algorithm, each ending in its record."""
