"""A gateway put together from its configuration, taken apart in good order, and its probes."""
