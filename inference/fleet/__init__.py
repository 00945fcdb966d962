"""How workers are reached: one fleet, and behind it a transport in each folder."""
