"""HTTP/1.1 by h11: asking an engine, and being asked on loopback."""
