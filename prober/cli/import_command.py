"""`prober import`: a configuration from that of another tool."""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from prober.cli.command import QUIET, USAGE, Command, Environment
from prober.cli.flags import Flag, daemon_url

if TYPE_CHECKING:
    from prober.importing.draft import Draft

_FORMATS = ("haproxy", "blackbox", "cloudprober", "gatus", "kubernetes", "uptime-kuma")
_CLOUDS = ("octavia", "huawei-v2", "huawei-v3", "oracle-lb", "oracle-nlb")
IMPORT_QUIET = QUIET._replace(doc="report only what was left out")
OUTPUT = Flag("output", "file to write; default: standard output", metavar="FILE")
FROM_URL = Flag("from-url", "URL of a cloud's API, without its version", daemon_url, "URL")
PROJECT = Flag("project", "project of Huawei, or compartment of Oracle", metavar="ID")
CLOUD_TOKEN_FILE = Flag("cloud-token-file", "file with a token for the API", metavar="FILE")


def run(options: Namespace, environment: Environment) -> int:
    """Write the configuration, and on stderr what was taken, changed and left out."""
    from prober import __version__
    from prober.cli.cloud_client import CloudUnread
    from prober.cli.progress import working
    from prober.importing import writer
    from prober.importing.formats import import_from
    from prober.importing.source import UnreadableSource
    from prober.model.wording import clean

    try:
        with working(f"reading {options.from_url or options.files[0]}"):
            if options.from_url:
                draft = _from_url(options, environment)
            else:
                draft = import_from(options.format, [(name, _text(name)) for name in options.files])
    except (OSError, UnreadableSource, CloudUnread) as error:
        print(f"prober import: {clean(_why(error))}", file=sys.stderr)
        return USAGE
    with working("checking what was made of it"):
        writer.keep_the_valid(draft, lambda path: Path(path).read_text(encoding="utf-8"))
    sources = [options.from_url] if options.from_url else options.files
    content = writer.written(draft, version=__version__, sources=sources)
    if options.output:
        try:
            Path(options.output).write_text(content, encoding="utf-8")
        except OSError as error:
            print(f"prober import: {options.output}: {error.strerror}", file=sys.stderr)
            return 1
    else:
        sys.stdout.write(content)
    _report(draft, quiet=options.quiet)
    return 0 if draft.monitors else 1


def _from_url(options: Namespace, environment: Environment) -> "Draft":
    """Return what the API of a cloud says."""
    import time

    from prober.cli.cloud_client import ask, credentials_for
    from prober.importing.clouds import CLOUDS
    from prober.importing.draft import Draft

    draft, api = Draft(), CLOUDS[options.format]
    credentials = credentials_for(api.signs, options.cloud_token_file, environment, time.time)
    reading = api.read(options.from_url, options.project or "", draft)
    question = next(reading)
    while True:
        answer = ask(options.from_url, question, credentials)
        try:
            question = reading.send(answer)
        except StopIteration:
            return draft


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")


def _report(draft: "Draft", *, quiet: bool) -> None:
    from prober.importing.draft import Fate
    from prober.model.wording import counted

    for fate in (Fate.LEFT_OUT,) if quiet else Fate:
        for note in draft.notes:
            if note.fate is fate:
                print(f"{note.origin}: {fate}: {note.text}", file=sys.stderr)
    if quiet:
        return
    left_out = sum(note.fate is Fate.LEFT_OUT for note in draft.notes)
    monitors = counted(len(draft.monitors), "monitor")
    print(f"{monitors} imported, {counted(left_out, 'thing')} left out", file=sys.stderr)


def _add_arguments(parser: ArgumentParser) -> None:
    known = (*_FORMATS, *_CLOUDS)
    formats = f"{', '.join(_FORMATS)}; of an API {', '.join(_CLOUDS)}"
    parser.add_argument("format", nargs="?", choices=known, metavar="FORMAT", help=formats)
    parser.add_argument("files", nargs="*", metavar="FILE", help="its files; - is standard input")


def _settle(options: Namespace, _: Environment) -> None:
    if options.format in _CLOUDS or options.from_url:
        _settle_cloud(options)
    elif not options.format or not options.files:
        raise ArgumentTypeError(f"expected FORMAT FILE...; FORMAT is one of {', '.join(_FORMATS)}")


def _settle_cloud(options: Namespace) -> None:
    if options.format not in _CLOUDS:
        raise ArgumentTypeError(f"--from-url: expected FORMAT to be one of {', '.join(_CLOUDS)}")
    if not options.from_url or options.files:
        raise ArgumentTypeError(f"{options.format}: expected --from-url URL, and no files")
    if options.format != "octavia" and not options.project:
        raise ArgumentTypeError(f"{options.format}: expected --project ID")


COMMAND = Command(
    "import",
    "write a configuration from that of another tool",
    run,
    (OUTPUT, IMPORT_QUIET, FROM_URL, PROJECT, CLOUD_TOKEN_FILE),
    """\
FORMAT is the tool: haproxy (haproxy.cfg), blackbox (blackbox.yml, then prometheus.yml),
cloudprober (cloudprober.cfg, or its YAML), gatus (config.yaml), kubernetes (manifests with probes)
or uptime-kuma (the JSON of a backup).
With --from-url, FORMAT is the API of a cloud. Credentials: $OS_TOKEN; $HUAWEICLOUD_SDK_AK and
$HUAWEICLOUD_SDK_SK; $OCI_CONFIG_FILE or ~/.oci/config; or --cloud-token-file.
Says on stderr what was taken, changed and left out, each with its place in the source.
Exit status: 0, 1 if nothing could be imported, 2 if a file cannot be read.

examples:
  prober import haproxy /etc/haproxy/haproxy.cfg --output prober.yaml
  prober import blackbox blackbox.yml prometheus.yml > prober.yaml
  prober import octavia --from-url https://octavia.example:9876 --output prober.yaml""",
    _add_arguments,
    _settle,
)
