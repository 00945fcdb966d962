"""Bodies and answers as bytes, sans-I/O: read, measured and spliced; no request is known here."""
