"""Endpoints: opened, looked at, paused, moved to another tier, retired."""
