"""A small webhook: who calls is proven, then an order is made. Knows nothing of Jenkins."""
