"""The workers, and how they are reached: one transport a module, all behind ``ports.Fleet``."""
