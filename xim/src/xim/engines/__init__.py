"""What runs the models: how each kind is watched, asked and, where we can, started."""
