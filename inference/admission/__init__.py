"""Limits and money: one atomic step in Valkey to let a request in, one to settle it."""
