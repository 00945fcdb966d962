"""What became of requests, and who is told: log, metrics, counts of refusals and of faults."""
