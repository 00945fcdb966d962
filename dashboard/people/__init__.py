"""Who is in a project, who is asked in, and as what."""
