"""The process that reads a large configuration: a pickled `Source` in, a pickled `Reading` out."""

import pickle
import sys

from prober.config import garbage
from prober.daemon.loading import Source, read


def main() -> None:
    """Read what was asked for on standard input, and answer on standard output."""
    garbage.never()
    source: Source = pickle.load(sys.stdin.buffer)  # noqa: S301  (our own parent wrote it)
    pickle.dump(read(source), sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
