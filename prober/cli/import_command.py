"""`prober import`: a configuration from that of another tool."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from prober.cli.command import USAGE, Command, Environment
from prober.cli.flags import Flag

if TYPE_CHECKING:
    from prober.importing.draft import Draft

_FORMATS = ("haproxy", "blackbox", "cloudprober", "gatus", "kubernetes", "uptime-kuma")
OUTPUT = Flag("output", "file to write; default: standard output", metavar="FILE")


def run(options: Namespace, _: Environment) -> int:
    """Write the configuration, and on stderr what was taken, changed and left out."""
    from prober import __version__
    from prober.importing import writer
    from prober.importing.formats import import_from
    from prober.importing.source import UnreadableSource
    from prober.model.wording import clean

    try:
        draft = import_from(options.format, [(name, _text(name)) for name in options.files])
    except (OSError, UnreadableSource) as error:
        print(f"prober import: {clean(str(error))}", file=sys.stderr)
        return USAGE
    writer.keep_the_valid(draft, lambda path: Path(path).read_text(encoding="utf-8"))
    content = writer.written(draft, version=__version__, sources=options.files)
    if options.output:
        try:
            Path(options.output).write_text(content, encoding="utf-8")
        except OSError as error:
            print(f"prober import: {options.output}: {error.strerror}", file=sys.stderr)
            return 1
    else:
        sys.stdout.write(content)
    _report(draft)
    return 0 if draft.monitors else 1


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def _report(draft: "Draft") -> None:
    from prober.importing.draft import Fate

    for fate in Fate:
        for note in draft.notes:
            if note.fate is fate:
                print(f"{note.origin}: {fate}: {note.text}", file=sys.stderr)
    left_out = sum(note.fate is Fate.LEFT_OUT for note in draft.notes)
    print(f"{len(draft.monitors)} monitors imported, {left_out} things left out", file=sys.stderr)


def _add_arguments(parser: ArgumentParser) -> None:
    formats = ", ".join(_FORMATS)
    parser.add_argument("format", nargs="?", choices=_FORMATS, metavar="FORMAT", help=formats)
    parser.add_argument("files", nargs="*", metavar="FILE", help="its files; - is standard input")


def _settle(options: Namespace, _: Environment) -> None:
    if not options.format or not options.files:
        raise ArgumentTypeError(f"expected FORMAT FILE...; FORMAT is one of {', '.join(_FORMATS)}")


COMMAND = Command(
    "import",
    "write a configuration from that of another tool",
    run,
    (OUTPUT,),
    """\
FORMAT is the tool: haproxy (haproxy.cfg), blackbox (blackbox.yml, then prometheus.yml),
cloudprober (cloudprober.cfg, or its YAML), gatus (config.yaml), kubernetes (manifests with probes)
or uptime-kuma (the JSON of a backup).
Says on stderr what was taken, changed and left out, each with its place in the source.
Exit status: 0, 1 if nothing could be imported, 2 if a file cannot be read.

examples:
  prober import haproxy /etc/haproxy/haproxy.cfg --output prober.yaml
  prober import blackbox blackbox.yml prometheus.yml > prober.yaml""",
    _add_arguments,
    _settle,
)
