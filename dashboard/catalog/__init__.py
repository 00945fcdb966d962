"""Models, for members and for everyone, and the cards of models and tiers."""
