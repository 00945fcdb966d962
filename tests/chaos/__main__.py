"""``python -m tests.chaos metering|fleet [--rounds N] [--seed N]``: kill everything, lose nothing.

``metering``: under steady load gateways, Valkey, the consumer and PostgreSQL are killed with
SIGKILL at random moments and started again. Afterwards three sets of books have to agree: what
the callers saw, what PostgreSQL has, what Valkey counts. ``fleet``: links are cut, machines
stopped and killed, gateways killed, the control plane restarted, tokens let expire; all has to
heal by itself, and every answer is held against its own request. Exit status 1 if not.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys

from tests.chaos import fleet, metering

LEAST_ROUNDS = 25
SUITES = {"metering": metering.SUITE.play, "fleet": fleet.SUITE.play}


def main() -> int:
    """Run the suite and say how it went."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("suite", choices=[*SUITES])
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS + 1)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}: repeat with SEED={asked.seed}", flush=True)
    return SUITES[asked.suite](asked.rounds, random.Random(asked.seed))


if __name__ == "__main__":
    sys.exit(main())
