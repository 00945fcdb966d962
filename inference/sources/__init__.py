"""Valkey: one link, pipelined and mended by itself, and what is read over it."""
