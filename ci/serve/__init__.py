"""A read-only view over the history for browsers; it needs no script."""
