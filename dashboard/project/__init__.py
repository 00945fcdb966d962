"""A project as a whole: made, seen at a glance, set up, its audit log, and the names in it."""
