"""`prober doctor`: what this host lacks."""

import sys
from argparse import Namespace

from prober.cli.command import JSON, QUIET, Command, Environment
from prober.cli.run_command import LISTEN


def run(options: Namespace, environment: Environment) -> int:
    """Print what was found, and what to do about it."""
    import json

    from prober.cli.doctor import Grade, examine
    from prober.cli.host import look
    from prober.cli.terminal import paint, table, wants_colour
    from prober.model.probe import Target

    address = next(iter(options.listen or ()), Target("127.0.0.1", 7762))
    findings = list(examine(look(address), str(address)))
    failed = int(any(each.grade is Grade.PROBLEM for each in findings))
    if options.json:
        print(json.dumps({"findings": [each._asdict() for each in findings]}))
        return failed
    if options.quiet:
        findings = [each for each in findings if each.grade is not Grade.OK]
    rows = [(each.grade, each.subject, each.text) for each in findings]
    colour = wants_colour(sys.stdout, environment)
    lines = table(rows, width=None, colour=False) if rows else []
    for finding, line in zip(findings, lines, strict=True):
        print(paint(line, _SHADE[finding.grade]) if colour else line)
        if finding.remedy:
            print(f"         -> {finding.remedy}")
    return failed


DOCTOR_JSON = JSON._replace(doc="print what was found as JSON")
DOCTOR_QUIET = QUIET._replace(doc="print only what is lacking")
_SHADE = {"ok": "", "warning": "WARNING", "problem": "CRITICAL"}
COMMAND = Command(
    "doctor",
    "look at this host: what it lacks for probing, and what to do about it",
    run,
    (LISTEN, DOCTOR_JSON, DOCTOR_QUIET),
    """\
Looks at open files, local ports, root certificates, the clock, the resolver, ping sockets, IPv6 and
the address to listen on. Run it as the user that runs prober. Nothing is sent to other hosts.
Exit status: 0, 1 if there is a problem.

examples:
  prober doctor
  prober doctor --listen 0.0.0.0:7762""",
)
