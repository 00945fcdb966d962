"""Calls to addresses that somebody typed: which may be called, and the one way to call them."""
