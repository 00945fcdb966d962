"""How workers are reached: HTTP over pooled connections, behind ``ports.Fleet``."""
