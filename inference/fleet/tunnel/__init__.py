"""Workers that are agents: each dials out to a gateway, and its one link carries many requests."""
