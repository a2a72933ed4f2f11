"""Drive: convolution algorithms, a file or a folder each, which ends in its record."""
