"""The transport to workers known by URL: HTTP/1.1 over pooled connections."""
