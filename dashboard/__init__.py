"""Pages for people, in rooms by subject; what all of them stand in is the shell."""
