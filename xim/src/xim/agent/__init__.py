"""The running agent: an engine in front, links behind, and whoever asks how it goes."""
