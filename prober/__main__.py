"""`python -m prober` is the `prober` command."""

import sys

from prober.cli import main

if __name__ == "__main__":
    sys.exit(main())
