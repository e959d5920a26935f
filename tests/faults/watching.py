"""How the faults are judged: every result of every probe, metrics, memory, descriptors."""

from pathlib import Path
from typing import Any

from tests.running import Daemon, Line

EVERY_RESULT = ("--log-level", "debug")
"""Has the daemon log each result of a probe."""
UNHURRIED = "30s"
"""A timeout that a target which answers keeps to, however slow and busy the machine is."""
QUICK = {"interval": "100ms", "fast_interval": "100ms", "timeout": UNHURRIED, "rise": 2, "fall": 3}


def monitor(name: str, kind: str, target: int | str, **options: object) -> dict[str, object]:
    """Return a monitor of one target, a port of 127.0.0.1 if it is a number."""
    target = f"127.0.0.1:{target}" if isinstance(target, int) else target
    return {"name": name, "type": kind, "targets": [target], **QUICK, **options}


def probes(running: Daemon, count: int, **facts: object) -> list[Line]:
    """Wait until that many further probes have ended so, and return their lines."""
    return [running.wait_for("probed", **facts) for _ in range(count)]


def blamed(lines: list[Line]) -> list[tuple[object, object, object]]:
    """Return the results that blame a target: neither good nor inconclusive."""
    return [
        (line["monitor"], line["reason"], line["detail"])
        for line in lines
        if line["event"] == "probed" and line["result"] not in {"OK", "UNKNOWN"}
    ]


def changes(lines: list[Line]) -> list[tuple[object, object]]:
    """Return the changes of statuses: of which monitor, to what."""
    return [(line["monitor"], line["to"]) for line in lines if line["event"] == "status_changed"]


def bugs(lines: list[Line]) -> list[Line]:
    """Return the lines that no daemon should ever write."""
    return [line for line in lines if line["level"] in {"error", "critical"}]


def metric(running: Daemon, name: str, **labels: str) -> float:
    """Return the value of a sample; 0 if there is none."""
    text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    sample = f"{name}{{{text}}}" if text else name
    for line in running.get("/metrics")[1].splitlines():
        if line.startswith(f"{sample} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def check(running: Daemon, name: str) -> Any:
    """Return the only check of a monitor."""
    (found,) = running.json(f"/api/v1/checks?monitor={name}")["checks"]
    return found


def resident_bytes(running: Daemon) -> int:
    """Return how much memory the daemon has."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def open_descriptors(running: Daemon) -> int:
    """Return how many descriptors the daemon has open."""
    return len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))
