"""One probe on request, with each step printed: the `probe` command."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml

from prober.cli.terminal import paint
from prober.model.aggregate import worst
from prober.model.health import degrade, status_of_one
from prober.model.monitor import Check, Model, Monitor
from prober.model.option import Complaint, Rejected, did_you_mean
from prober.model.pool import Pool
from prober.model.status import PHASES, Outcome, Reason, Status
from prober.model.wording import clean
from prober.probes import PROBE_TYPES, declared_facts

Trace = Callable[[str, float, str], None]
"""Receives each step of a probe, the seconds since its start, and a detail."""

ProbeOnce = Callable[[Check, Trace], Awaitable[Outcome]]
"""Probes a check once, with the engine of the daemon."""

_NOT_TEXT = "expected text, got "


def setting_value(text: str) -> Any:
    """Read the value of a `--set`: JSON, or a plain YAML scalar."""
    try:
        if text[:1] in ("{", "[", '"', "'"):
            return yaml.safe_load(text)
        loader = yaml.SafeLoader("")
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]  # so the stubs
        value = loader.construct_object(yaml.ScalarNode(tag, text))
    except (yaml.YAMLError, ValueError):
        return text
    return value if text and isinstance(value, bool | int | float | None) else text


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the mapping that `key=value` pairs describe; dots in a key nest it.

    Raises `Rejected`.
    """
    made: dict[str, Any] = {}
    for pair in pairs:
        dotted, separator, value = pair.partition("=")
        *parents, key = dotted.split(".")
        if not separator or not all((*parents, key)):
            raise Rejected(f"expected key=value, got {pair!r}")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise Rejected(f"{dotted}: {parent!r} already has a value")
        place[key] = setting_value(value)
    return made


def checks_of(
    type_name: str, target: str, given: Mapping[str, Any], read: Callable[[object], Monitor]
) -> list[Check]:
    """Return the checks that the command line asks for, usually one.

    `read` reads a monitor as the configuration does. Raises `Rejected` with complaints that name
    the place on the command line.
    """
    own = {"name": f"{type_name} {target}"[:255], "type": type_name, "targets": [target]}
    try:
        monitor = read({**own, **given})
    except Rejected as rejected:
        raise Rejected(*(_place(each, type_name, target) for each in rejected.complaints)) from None
    pool = Pool(name=monitor.name, backends=monitor.targets)
    return [Check(monitor, pool, backend) for backend in monitor.targets]


def _place(complaint: Complaint, type_name: str, target: str) -> str:
    path, message = complaint
    if not path:
        return message
    if path[0] == "type":
        return f"TYPE: {message}"
    if path[0] == "targets":
        return f"TARGET: {message}{_hint(type_name, target)}"
    key = ".".join(map(str, path))
    in_quotes = f"; for text, write --set '{key}=\"...\"'" if message.startswith(_NOT_TEXT) else ""
    return f"--set {key}: {message}{in_quotes}"


def _hint(type_name: str, target: str) -> str:
    """Return a hint on what to write instead of a URL or of a host without a port."""
    scheme, separator, _ = target.partition("://")
    if separator:
        try:
            parts = urlsplit(target)
            port = parts.port or _usual_port(scheme.upper()) or 80
        except ValueError:
            return ""
        path = f" --set url_path={parts.path}" if parts.path.strip("/") else ""
        return f"; instead of a URL, write {scheme.upper()} {parts.hostname}:{port}{path}"
    usual = _usual_port(type_name)
    return f"; for example, {target}:{usual}" if usual and ":" not in target else ""


def _usual_port(type_name: str) -> int | None:
    known = PROBE_TYPES.get(type_name)
    return known.default_port if known else None


def named_checks(model: Model, name: str) -> list[Check]:
    """Return the checks of the monitor with this name, or raise `Rejected` if there is none."""
    if not any(monitor.name == name for monitor in model.monitors):
        near = did_you_mean(name, [monitor.name for monitor in model.monitors])
        raise Rejected(f"there is no monitor {name!r}{near}")
    checks = [check for check in model.checks() if check.monitor.name == name]
    if not checks:
        raise Rejected(f"monitor {name!r} has no targets in its file; use TYPE TARGET instead")
    return checks


class Shown(NamedTuple):
    """What to show of probes: with `quiet` no steps, `as_json` one document at the end."""

    write: Callable[[str], None]
    colour: bool = False
    quiet: bool = False
    as_json: bool = False

    def step(self, name: str, seconds: float, detail: str) -> None:
        """Show a step."""
        if not (self.quiet or self.as_json):
            words = f"{clean(name.replace('_', ' ')):<10}  {clean(detail)}".rstrip()
            self.write(f"{seconds * 1000:9.3f} ms  {words}")

    def verdict(self, outcome: Outcome, status: Status) -> None:
        """Show what came of a probe."""
        if not self.as_json:
            word = paint(status, status) if self.colour else status
            what = "" if outcome.reason is Reason.OK else f"{outcome.result} ({outcome.reason}): "
            took = f"in {outcome.seconds * 1000:.1f} ms"
            self.write(f"{word}  {what}{clean(outcome.detail)}, {took}")


async def run(checks: Sequence[Check], probe: ProbeOnce, shown: Shown) -> Status:
    """Run the probes one after another and show them; return the worst status."""
    statuses, documents = [], []
    for check in checks:
        if len(checks) > 1 and not shown.as_json:
            shown.write(f"{clean(check.monitor.name)} on {clean(check.backend.key)}")
        monitor, outcome = check.monitor, await probe(check, shown.step)
        outcome = degrade(
            outcome, slow=monitor.slow, tls=monitor.tls, slow_by=monitor.probe.slow_by
        )
        statuses.append(status_of_one(outcome))
        shown.verdict(outcome, statuses[-1])
        documents.append(_document(check, outcome, statuses[-1]))
    if shown.as_json:
        shown.write(json.dumps({"probes": documents}))
    return worst(statuses)


def _document(check: Check, outcome: Outcome, status: Status) -> dict[str, Any]:
    """Return what came of a probe, in the words of the API."""
    phases = zip(PHASES, outcome.phases, strict=True)
    declared = declared_facts()
    facts = {
        name: declared[name].kind.show(value)
        for name, value in (outcome.facts or {}).items()
        if name in declared
    }
    return {
        "monitor": check.monitor.name,
        "backend": check.backend.key,
        "status": status,
        "result": outcome.result,
        "reason": outcome.reason,
        "detail": outcome.detail,
        "duration_seconds": round(outcome.seconds, 6),
        "phases": {name: round(spent, 6) for name, spent in phases if spent is not None},
        "source_ip": outcome.source_ip,
        **({"kernel": outcome.kernel.known()} if outcome.kernel else {}),
        **facts,
    }
