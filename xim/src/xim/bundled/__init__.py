"""Engines that serve models behind OpenAI's protocol, for machines that only do that.

Knows neither Django nor the platform: each engine is a process with a port, a bearer key
and a health path, and whoever can reach it may use it.
"""
