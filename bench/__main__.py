"""Compare prober with its peers, and measure its limits; see bench/README.md.

Contestants take turns, one after another within each round, the checker on the last core, the
targets on the first. Nothing else should open connections or need the processor meanwhile.
"""

import argparse
import compileall
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import prober
from bench import scale
from bench.contestants import CONTESTANTS, KINDS, Kind
from bench.measure import NoProbesError, measure
from bench.report import Turns, picture, plain_table, row, table
from bench.targets import Ports, targets

RESULTS = Path(__file__).parent / "results"
MANY = 10_000


def compare(kind: Kind, ports: Ports, count: int, rounds: int, seconds: float) -> Turns:
    """Measure each contestant that supports this kind of probe once in every round."""
    turns: Turns = {checker: [] for checker in CONTESTANTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(rounds):
            for checker in tuple(turns):
                turn = CONTESTANTS[checker](kind, ports, count, folder)
                try:
                    found = measure(turn, kind, seconds, folder, checks=count) if turn else None
                except NoProbesError as error:
                    print(f"  {kind.name}: {checker} is left out: {error}")
                    found = None
                if found is None:
                    del turns[checker]  # ratios are paired: all rounds or none
                    continue
                print(f"  {kind.name} {i + 1}/{rounds}: {checker} {found.cpu:.1f} ms", flush=True)
                turns[checker].append(found)
    return turns


def compare_all(ports: Ports, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Compare all kinds of probes, and those with 10,000 checks on one core."""
    rows = []
    for kind in KINDS:
        if asked.kind and kind.name not in asked.kind:
            continue
        if not kind.port(ports):
            print(f"  {kind.name} is left out: nginx or openssl is not installed")
            continue
        turns = compare(kind, ports, kind.targets, asked.rounds, asked.seconds)
        rows += [row(kind.name, name, turns) for name in turns]
    if asked.many:
        for kind in (kind for kind in KINDS if kind.name in {"TCP", "HTTP", "UDP"}):
            turns = compare(kind, ports, MANY, asked.rounds, asked.seconds)
            rows += [row(f"{kind.name}, 10,000 checks", name, turns) for name in turns]
    return rows


def go_far(port: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure the daemon alone."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("  starting", flush=True)
        found["start"] = list(scale.start(port, folder))
        print("  lateness", flush=True)
        found["lateness"] = list(scale.lateness(port, folder, asked.seconds))
        print("  the most on one core", flush=True)
        found["most"] = [scale.most(port, folder, asked.seconds)]
        print("  scraping", flush=True)
        found["scrape"] = [scale.scrape(port, folder)]
        print("  memory", flush=True)
        found["memory"] = list(scale.memory(port, folder))
    return found


def machine() -> dict[str, str]:
    """Return a description of the machine."""
    python = f"{platform.python_version()} {os.path.realpath(sys.executable)}"
    versions = {"python": python, "openssl": ssl.OPENSSL_VERSION}
    for name, command in (
        ("haproxy", ("haproxy", "-v")),
        ("blackbox_exporter", ("prometheus-blackbox-exporter", "--version")),
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            continue
        versions[name] = (done.stdout or done.stderr).splitlines()[0]
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "linux": os.uname().release,
        "cores": str(os.cpu_count()),
        **versions,
    }


def main() -> None:
    """Measure, print tables, and save them if requested."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, once settled")
    names = [kind.name for kind in KINDS]
    parser.add_argument("--kind", action="append", choices=names, help="of probe; else all")
    parser.add_argument("--many", action="store_true", help="compare with 10,000 checks as well")
    parser.add_argument("--only", choices=("peers", "scale"), help="measure one half only")
    parser.add_argument("--write", action="store_true", help=f"keep the results in {RESULTS.name}/")
    asked = parser.parse_args()
    package = Path(prober.__file__).parent
    compileall.compile_dir(package, quiet=1)  # as pip does, for what it installs
    how = {"command": " ".join(["python -m bench", *sys.argv[1:]]), "machine": machine()}
    with tempfile.TemporaryDirectory() as name, targets(Path(name)) as ports:
        if asked.only != "scale":
            tell({"peers": {**how, "rows": compare_all(ports, asked)}}, write_down=asked.write)
        if asked.only != "peers":
            tell({"scale": {**how, "tables": go_far(ports.plain, asked)}}, write_down=asked.write)


def tell(found: dict[str, Any], *, write_down: bool) -> None:
    """Print the results, and save them if requested."""
    print(as_text(found), flush=True)
    if write_down:
        write(found)


def as_text(found: dict[str, Any]) -> str:
    """Return all results as Markdown."""
    parts = []
    if peers := found.get("peers"):
        parts += ["# Beside its peers", _how(peers), table(peers["rows"])]
    if alone := found.get("scale"):
        parts += ["# Alone", _how(alone)]
        for name, rows in alone["tables"].items():
            parts += [f"## {name.capitalize()}", plain_table(rows)]
    return "\n\n".join(parts) + "\n"


def _how(part: dict[str, Any]) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in part["machine"].items())
    return f"`{part['command']}`: {machine}."


def write(found: dict[str, Any]) -> None:
    """Save the results as JSON, Markdown and an image; keep those that were not measured again."""
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "bench.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    found = {**before, **found}
    kept.write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "bench.md").write_text(as_text(found))
    if peers := found.get("peers"):
        title = "CPU milliseconds per 1,000 probes (each kind on its own scale)"
        shown = [each for each in peers["rows"] if "10,000" not in each["kind"]]
        (RESULTS / "bench.svg").write_text(picture(shown, title))


if __name__ == "__main__":
    main()
