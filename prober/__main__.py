"""Run `python -m prober` as the `prober` command."""

import sys

from prober.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
