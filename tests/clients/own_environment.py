"""Environments of Python of their own, for clients that do not get along with the others."""

import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_SECONDS = 400


def environment(lock: Path, folder: Path) -> Path:
    """Install pinned packages into a new environment; skip if they cannot be fetched."""
    made = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    pip = [
        *(sys.base_prefix + "/bin/python3", "-m", "pip", "--disable-pip-version-check", "--quiet"),
        *("--python", str(made / "bin/python"), "install", "--require-hashes"),
    ]
    try:
        done = subprocess.run(
            [*pip, "--requirement", str(lock)],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"installing {lock.parent.name} takes longer than {INSTALL_SECONDS} s")
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"the packages of {lock.parent.name} cannot be installed: {why}")
    return made
