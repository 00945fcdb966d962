"""Tests of decision records: what is kept, who may read it, and what it says."""
