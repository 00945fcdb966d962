"""A simulated engine: time as a model on a GPU takes it, and answers that show their question."""
