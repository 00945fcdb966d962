"""What every page stands in: its door and its frame, and the pieces that any page may use."""
