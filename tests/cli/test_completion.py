"""What shells complete, and the manual page."""

import shutil
import subprocess
from pathlib import Path

import pytest

from prober.cli import main as cli
from prober.cli.completion import SHELLS
from prober.cli.main import COMMANDS
from prober.cli.man_page import man_page
from tests.running import PATIENCE


def in_shell(name: str, script: str, *more: str) -> str:
    """Run a script by a shell, or skip the test if the shell is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [name, *more, "-c", script], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return done.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["st"], ["status"]),
        (["run", "--lo"], ["--log-format", "--log-level"]),
        (["run", "--log-format", "j"], ["json"]),
        (["run", "--state-dir", "/et"], ["/etc"]),
    ],
)
def test_bash_completes(words: list[str], completed: list[str]) -> None:
    given = " ".join(["prober", *words])
    ask = f'COMP_WORDS=({given}); COMP_CWORD={len(words)}; _prober; echo "${{COMPREPLY[@]}}"'
    assert in_shell("bash", f"{SHELLS['bash'](COMMANDS)}\n{ask}").split() == completed


def test_fish_completes() -> None:
    ask = "complete -C 'prober run --lo'"
    shown = in_shell("fish", f"{SHELLS['fish'](COMMANDS)}\n{ask}", "--no-config").splitlines()
    assert [line.partition("\t")[0] for line in shown] == ["--log-format", "--log-level"]


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    script = tmp_path / "_prober"
    script.write_text(SHELLS["zsh"](COMMANDS))
    assert in_shell("zsh", f"zmodload zsh/zutil; . /dev/null; zsh -n {script} && echo ok") == "ok\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell], {}) == 0
    assert capsys.readouterr().out == SHELLS[shell](COMMANDS)


def test_a_shell_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["completion"], {})
    assert "expected a shell: bash, zsh, fish" in capsys.readouterr().err


def test_the_manual_page_names_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "")  # restored at the end
    page = man_page()
    for command in COMMANDS:
        assert f"\n.B {command.name}\n" in page
        assert f"\n.SH PROBER {command.name.upper()}\n" in page
    if shutil.which("man"):
        done = subprocess.run(
            ["man", "--warnings", "-l", "-"],
            input=page,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        assert done.stderr == ""
        assert "health-check daemon" in done.stdout
