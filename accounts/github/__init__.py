"""Sign-in with GitHub or a GitHub Enterprise server, whose address may be set per app."""
