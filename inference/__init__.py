"""The data plane: it serves inference, and knows neither Django nor any app."""
