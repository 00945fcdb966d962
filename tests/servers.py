"""The real PostgreSQL and Valkey of a test run: started once, private to it, gone afterwards."""

from __future__ import annotations
