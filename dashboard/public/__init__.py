"""What belongs to no project: the front door, the way in, the theme, the style guide."""
