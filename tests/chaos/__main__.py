"""``python -m tests.chaos metering [--rounds N] [--seed N]``: kill everything, lose nothing.

Under steady load gateways, Valkey, the consumer and PostgreSQL are killed with SIGKILL at
random moments and started again. Afterwards three sets of books have to agree: what the
callers saw, what PostgreSQL has, what Valkey counts. Exit status 1 if they do not.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys

from tests.chaos.metering import run

LEAST_ROUNDS = 25


def main() -> int:
    """Run the suite and say how it went."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("suite", choices=["metering"])
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS + 1)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}: repeat with SEED={asked.seed}", flush=True)
    return run(asked.rounds, random.Random(asked.seed))


sys.exit(main())
