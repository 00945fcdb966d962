"""``python -m xim`` is ``xim``."""

import sys

from xim.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
