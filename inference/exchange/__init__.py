"""One request from its head to its end: led through the gate, let in, asked of workers, relayed."""
