"""The command `prober`, with the probe type that is made up: `python -m tests.contract run ...`."""

import sys

from prober.cli.main import main
from tests.contract.made_up import register

if __name__ == "__main__":
    register()
    sys.exit(main())
