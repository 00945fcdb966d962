"""The transport to agents whose link is at another gateway: that one is asked, once."""
