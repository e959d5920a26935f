"""Writes the manual page from what `--help` shows.

Usage: `python -m prober.cli.man_page > prober.1`.
"""

import os

from prober import __version__
from prober.cli.command import Command
from prober.cli.main import COMMANDS, help_of

_SUMMARY = "health-check daemon that probes as a load balancer does"


def man_page() -> str:
    """Return the page `prober(1)`, in the format of man(7)."""
    os.environ["COLUMNS"] = "78"  # the width of the help
    commands = "\n".join(f".TP\n.B {each.name}\n{_roff(each.summary)}" for each in COMMANDS)
    helps = "\n".join(map(_section, COMMANDS))
    return f"""\
.TH PROBER 1 "" "prober {__version__}"
.SH NAME
prober \\- {_SUMMARY}
.SH SYNOPSIS
.B prober
.I COMMAND
[\\fIFLAGS\\fR]
.SH COMMANDS
{commands}
{helps}
.SH FILES
.TP
.I ./prober.yaml, ./config/prober.yaml, /etc/prober/prober.yaml
The configuration, if neither \\-\\-config nor PROBER_CONFIG names another.
"""


def _section(command: Command) -> str:
    return f".SH PROBER {command.name.upper()}\n.nf\n{_roff(help_of(command.name))}\n.fi"


def _roff(text: str) -> str:
    lines = text.rstrip().replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in lines)


if __name__ == "__main__":
    print(man_page(), end="")
