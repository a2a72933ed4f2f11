"""The kit that drivers are made of: strides, windows, blocks, threads, memory, the way out."""
