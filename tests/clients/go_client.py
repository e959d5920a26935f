"""Builds and runs the clients in Go, each a walk through an API."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.running import PATIENCE

BUILD_SECONDS = 240
NOT_OURS = (
    *("dial tcp", "proxyconnect", "no such host", "TLS handshake timeout", "Forbidden"),
    *("requires go >=", "invalid go version", "toolchain not available"),
)
"""What Go says where its proxy is out of reach, or where it is too old for the modules."""


def go_program() -> str:
    """Return Go; skip if it is not installed."""
    own = ROOT / ".venv/go/bin/go"
    found = str(own) if own.exists() else shutil.which("go")
    if found is None:
        pytest.skip("Go is not installed: make .venv/go/bin/go")
    return found


def built(module: Path, name: str, folder: Path, cache: Path) -> Path:
    """Build a client of a Go module; skip if the modules that it needs cannot be fetched."""
    cache.mkdir(parents=True, exist_ok=True)
    program = folder / name
    quick = ["-gcflags=all=-N -l", "-ldflags=-s -w"]  # not optimized: it is used once
    command = [go_program(), "build", "-mod=readonly", *quick, "-o", str(program), f"./{name}"]
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    try:
        done = subprocess.run(
            command,
            cwd=module,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"building {name} takes longer than {BUILD_SECONDS} s on this machine")
    if done.returncode and any(word in done.stderr for word in NOT_OURS):
        pytest.skip(f"{name} cannot be built here: {done.stderr.splitlines()[-1]}")
    assert not done.returncode, done.stderr
    return program


def steps(program: Path, *arguments: str) -> dict[str, Any]:
    """Run a client, and return what it found at each step; it ends at the first error."""
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert not done.returncode, done.stderr
    return {line["step"]: line["found"] for line in map(json.loads, done.stdout.splitlines())}
