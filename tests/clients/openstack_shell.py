"""Run several commands of the `openstack` program in one process: importing it takes seconds.

Reads a JSON list of commands, each a list of arguments, and writes a JSON list of their exit
statuses, outputs and errors.
"""

import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from openstackclient.shell import main

results = []
for command in json.load(sys.stdin):
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status: object
        try:
            status = main(command)
        except SystemExit as stop:  # what argparse does with words that it does not know
            status = stop.code
    results.append((status, out.getvalue(), err.getvalue()))
json.dump(results, sys.stdout)
