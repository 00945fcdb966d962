"""The link to a gateway: frames, windows and turns without I/O, and what carries them."""
