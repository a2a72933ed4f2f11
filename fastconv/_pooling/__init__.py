"""Drive: poolings and their gradients. `windows` is where a call arrives."""
