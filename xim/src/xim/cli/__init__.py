"""The command line: options, and the sentence and exit code of each ending."""
