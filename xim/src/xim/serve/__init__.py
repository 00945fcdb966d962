"""Answering one request: may it be served, and the engine's answer, piece by piece."""
