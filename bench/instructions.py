"""Counts the instructions of a probe: a guard against decay that does not depend on the machine.

    python -m bench.instructions [--check] [--write] [TYPE ...]

Callgrind counts the user instructions of the engine, scheduler and state together, in simulated
time, while real targets in another process answer. Figures belong to one build of Python, so
`results/instructions.json` has them by its version; `--check` fails if one is more than TOLERANCE
above the stored one, and says so if there is none. The kernel's share is not counted.
"""

import argparse
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import structlog

from bench.simulated import CHECKS, INTERVAL, MONITORS, Run, targets
from prober.model.build import BUILD

TOLERANCE = 0.05
"""A fraction; runs differ by less than 1 %, depending on how many replies come together."""
SECONDS = 8
"""Simulated seconds to count."""
WARM = 6
RESULTS = Path(__file__).parent / "results" / "instructions.json"


def child(name: str, port: int) -> None:
    """Run the probes: those from the line that is read on are counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    run = Run(name, port)
    run.advance(WARM)
    print("ready", flush=True)
    sys.stdin.readline()
    print(run.advance(SECONDS), flush=True)
    os._exit(0)


def count(name: str) -> int:
    """Return the user instructions of one probe of a type."""
    with targets(name) as port, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        callgrind += [f"--callgrind-out-file={out}"]
        probing = [sys.executable, "-m", "bench.instructions", "--child", name, str(port)]
        with subprocess.Popen(
            [*callgrind, *probing],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            switch = ["callgrind_control", "-i", "on", str(process.pid)]
            subprocess.run(switch, check=True, capture_output=True)
            process.stdin.write("go\n")
            process.stdin.flush()
            good = int(process.stdout.readline())
            process.stdin.close()
        expected = CHECKS * SECONDS // INTERVAL
        assert good == expected, f"{good} good probes of {expected}"
        total = re.search(r"^(?:totals|summary): (\d+)", out.read_text("utf-8"), re.MULTILINE)
        assert total
        return round(int(total[1]) / good)


def _python() -> str:
    """Return what the figures depend on beside the code."""
    return f"{platform.machine()}, Python {platform.python_version()}, {platform.python_compiler()}"


def main() -> int:
    """Count, print, and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("types", nargs="*", metavar="TYPE", help=f"{', '.join(MONITORS)}")
    parser.add_argument("--check", action="store_true", help="fail if a figure has risen")
    parser.add_argument("--write", action="store_true", help="store the figures")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]))
        return 0
    if not shutil.which("callgrind_control"):
        print("skipped: valgrind is not installed")
        return 0
    stored = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    known = stored.setdefault(_python(), {}).setdefault(BUILD, {})
    risen = False
    for name in options.types or MONITORS:
        found, before = count(name), known.get(name)
        against = f"{found / before - 1:+.1%} against {before:,}" if before else "none is stored"
        print(f"{name:11} {found:9,} instructions a probe ({BUILD}), {against}", flush=True)
        risen = risen or (before is not None and found > before * (1 + TOLERANCE))
        if options.write:
            known[name] = found
    if options.write:
        RESULTS.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
    return int(options.check and risen)


if __name__ == "__main__":
    sys.exit(main())
