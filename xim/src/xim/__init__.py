"""The node program: a machine joins with a key, dials out, and serves models.

Knows neither Django nor the platform's own code: it speaks HTTP and one WebSocket with it.
"""

__version__ = "0.1.0"
