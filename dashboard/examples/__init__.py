"""Code to copy: the first request of each task, in every language and client we show."""
