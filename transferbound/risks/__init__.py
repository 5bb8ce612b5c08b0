"""What is bounded: a loss, its units, and the bounds that hold for it."""
