"""The composition root: where both planes, the programs and the settings meet."""
