"""API keys: made, shown once, changed, rotated, revoked."""
