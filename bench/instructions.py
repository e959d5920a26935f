"""Counts the instructions of a probe: a check against decay that does not depend on the machine.

    python -m bench.instructions [--check] [--write] [TYPE ...]

Callgrind counts the user instructions of the engine, scheduler and state together, in simulated
time, while real targets in another process answer. The shares of the kernel, of libc and of OpenSSL
are not counted: which of their code runs depends on the processor.

Figures belong to one build of Python, so `results/instructions.json` has them by its version,
together with those of a small program (YARDSTICK). `--check` fails if a figure is more than
TOLERANCE above the stored one. It compares nothing, and says so, if none is stored or if the
yardstick shows that this Python was built in another way.
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
from math import inf
from pathlib import Path

import structlog

from bench.simulated import INTERVAL, MONITORS, Run, checks_of, targets
from prober.model.build import BUILD

TOLERANCE = 0.1
"""A fraction; runs differ by 2 %, depending on how many replies come together."""
ATTEMPTS = 3
"""A figure above the tolerance is counted again: replies that come late, one by one, add to it."""
YARDSTICK = "for number in range(20000): '%d' % number, [number], {number: (1.5 * number,)}"
SAME = 0.05
"""A fraction; more of the yardstick makes another build of Python. Starts alone differ by 2 %."""
SECONDS = 8
"""Simulated seconds to count."""
WARM = 6
RESULTS = Path(__file__).parent / "results" / "instructions.json"
_SAME_HASHES = {**os.environ, "PYTHONHASHSEED": "0"}
_OBJECT = re.compile(r"c?ob=\((\d+)\)(?: (.*))?")
_OTHERS = re.compile(r"/(?:lib(?:crypto|ssl|c|m)|ld-linux-[\w-]+)\.so")
_COST = re.compile(r"[+*-]?\d* (\d+)")


def child(name: str, port: int) -> None:
    """Run the probes: those from the line that is read on are counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    run = Run(name, port)
    run.advance(WARM)
    print("ready", flush=True)
    sys.stdin.readline()
    print(run.advance(SECONDS), flush=True)
    os._exit(0)


def counted(out: Path) -> int:
    """Return the instructions in a file of callgrind, without those of libc and OpenSSL."""
    total, counts = 0, True
    names: dict[str, bool] = {}
    lines = iter(out.read_text("utf-8").splitlines())
    for line in lines:
        if found := _OBJECT.fullmatch(line):
            number, path = found.groups()
            if path:
                names[number] = not _OTHERS.search(path)
            if not line.startswith("c"):
                counts = names[number]
        elif line.startswith("calls="):
            next(lines)  # what the called functions cost, which is counted with them
        elif counts and (cost := _COST.fullmatch(line)):
            total += int(cost[1])
    return total


def yardstick() -> int:
    """Return the instructions of a program that shows how this Python was built."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        python = [sys.executable, "-I", "-S", "-c", YARDSTICK]
        subprocess.run([*command, *python], check=True, capture_output=True, env=_SAME_HASHES)
        return counted(out)


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
            env=_SAME_HASHES,
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
        expected = checks_of(name) * SECONDS // INTERVAL
        assert good == expected, f"{good} good probes of {expected}"
        return round(counted(out) / good)


def _python() -> str:
    """Return what the figures depend on beside the code."""
    return f"{platform.machine()}, Python {platform.python_version()}, {platform.python_compiler()}"


def _has_risen(name: str, figures: dict[str, int], options: argparse.Namespace) -> bool:
    """Count a type and print it; return whether it is above its figure, or store it."""
    before = figures.get(name)
    most = inf if before is None or options.write else before * (1 + TOLERANCE)
    for _ in range(ATTEMPTS):
        found = count(name)
        if found <= most:
            break
    against = f"{found / before - 1:+.1%} against {before:,}" if before else "none is stored"
    print(f"{name:11} {found:9,} instructions a probe ({BUILD}), {against}", flush=True)
    if options.write:
        figures[name] = found
    return found > most


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
    known = stored.setdefault(_python(), {})
    measure = yardstick()
    if options.write:
        known["yardstick"] = measure
    elif not known:
        print(f"compared with nothing: no figures are stored for {_python()}")
    elif abs(measure / known["yardstick"] - 1) > SAME:
        print(f"compared with nothing: this {_python()} was built in another way")
        known = {}
    figures = known.setdefault(BUILD, {})
    risen = [name for name in options.types or MONITORS if _has_risen(name, figures, options)]
    if options.write:
        RESULTS.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
    return int(options.check and bool(risen))


if __name__ == "__main__":
    sys.exit(main())
