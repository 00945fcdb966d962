"""Machines that dial out: how each stands, the keys they join with, and what people decide."""
