#!/usr/bin/env python
"""Run administrative commands of the control plane."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xerotier_site.settings")  # noqa: TID251
    execute_from_command_line(sys.argv)
