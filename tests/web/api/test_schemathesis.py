"""schemathesis reads the description and asks every GET of a daemon: it finds nothing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tests.running import PATIENCE, daemon

HERE = Path(__file__).with_name("schemathesis_run")
EXAMPLES = "6"
"""How many requests are generated for each operation and phase, beside those of the coverage."""
CONFIG = {
    "pools": [{"name": "web", "backends": ["127.0.0.1:9"]}],
    "monitors": [
        {"name": "web-tcp", "type": "TCP", "pool": "web", "enabled": False},
        {"name": "a/b", "type": "HTTP", "targets": ["127.0.0.1:9"], "enabled": False},
    ],
}


def program() -> str:
    own = ROOT / ".venv/schemathesis/bin/schemathesis"
    path = str(own) if own.exists() else shutil.which("schemathesis")
    if path is None:
        pytest.skip("schemathesis is not installed: make .venv/schemathesis/bin/schemathesis")
    return path


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    command = [program(), "--config-file", str(HERE / "schemathesis.toml"), "run"]
    chosen = ["--include-method", "GET", "--max-examples", EXAMPLES, "--seed", "1", "--no-color"]
    chosen += ["--exclude-path-regex", "/stream$|^/pulse$"]  # these never end
    quiet = ["--warnings", "off", "--generation-database", "none"]
    with daemon(CONFIG, tmp_path, "--state-dir", str(tmp_path / "state")) as running:
        done = subprocess.run(
            [*command, f"{running.url}/api/v1/openapi.json", *chosen, *quiet],
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
    assert not done.returncode, done.stdout[-8000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested
    assert int(tested[1]) >= 30
