"""The bridge between the planes: what changed goes to Valkey, what was used comes from there."""
