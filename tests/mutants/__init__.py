"""Mutation testing: faults put into code whose tests have to notice each (``make mutants``)."""
