"""How much of what costs anybody may have: settings, and part of ``settings``.

Every value from outside comes through ``env``.
"""

from __future__ import annotations

from xerotier_site import env

HASHES_AT_ONCE = env.number("XEROTIER_HASHES_AT_ONCE", 1)
"""Passwords that one process hashes at a time: a hundred megabytes and a core each."""
UNPROVEN_DAYS = env.number("XEROTIER_UNPROVEN_DAYS", 7)
"""After so many days an account is deleted whose address nobody proved."""
LETTERS_PER_HOUR = env.number("XEROTIER_LETTERS_PER_HOUR", 6)
"""Letters about an account (codes, resets) that one caller may cause to one mailbox."""
INVITATIONS_PER_DAY = env.number("XEROTIER_INVITATIONS_PER_DAY", 50)
"""Invitations that one project may send."""
INVITED_PER_DAY = env.number("XEROTIER_INVITED_PER_DAY", 3)
"""Invitations that one mailbox may get, from all projects together."""
PROJECTS_PER_PERSON = env.number("XEROTIER_PROJECTS_PER_PERSON", 10)
PROJECTS_PER_DAY = env.number("XEROTIER_PROJECTS_PER_DAY", 5)
"""Projects that a person may own, and open in a day."""
KEYS_PER_PROJECT = env.number("XEROTIER_KEYS_PER_PROJECT", 500, least=1)
"""Keys of a project that open the door at the same time."""
PAGES_PER_MIN = env.number("XEROTIER_PAGES_PER_MIN", 120)
"""Pages a minute for each person and each unknown address."""
MANAGEMENT_PER_MIN = env.number("XEROTIER_MANAGEMENT_PER_MIN", 600)
"""Management requests a minute for each key, each person and each unknown address."""
ENROLMENTS_PER_MIN = env.number("XEROTIER_ENROLMENTS_PER_MIN", 120, least=1)
"""Machines that join or renew, a minute from one address."""
BACKENDS_PER_PROJECT = env.number("XEROTIER_BACKENDS_PER_PROJECT", 20, least=0)
"""Servers that a project may name by URL."""
BACKEND_QUESTIONS_PER_MIN = env.number("XEROTIER_BACKEND_QUESTIONS_PER_MIN", 20, least=1)
"""Servers that are asked for a project, a minute: nobody sounds out strangers from here."""
OUTGOING_ALLOW = env.networks("XEROTIER_OUTGOING_ALLOW")
"""Networks besides the public ones that calls to addresses of tenants may go to."""
