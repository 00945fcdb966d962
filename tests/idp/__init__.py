"""Authorization servers of our own, on loopback: what providers do, and what a bad one might."""
