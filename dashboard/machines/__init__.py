"""Machines that dial out and backends by URL: how each is, join keys, and what people decide."""
