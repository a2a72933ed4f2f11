"""Drive: the pooling loops."""
