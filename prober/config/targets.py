"""Prometheus file_sd and http_sd lists: backends that another program maintains."""

from dataclasses import dataclass, replace

from prober.config.document import read_document
from prober.config.problem import ConfigError
from prober.model.kinds import LABELS, Frozen, list_of
from prober.model.option import Kind, ReadContext, Rejected, mapping, option, section
from prober.model.pool import Backend, parse_place


def _read_address(value: object, _: ReadContext) -> Backend:
    target = parse_place(value)
    return Backend(address=target.host, port=target.port or None)


def _read_labels(value: object, outside: ReadContext) -> Frozen[str]:
    given = mapping(value)
    return LABELS.read({k: v for k, v in given.items() if not k.startswith("__")}, outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """One entry of a file_sd list; labels that start with `__` are internal to Prometheus."""

    targets: tuple[Backend, ...] = option(
        list_of(Kind(_read_address, {"type": "string"})),
        doc="host:port of each backend, or host",
    )
    labels: Frozen[str] = option(
        Kind(_read_labels, LABELS.schema), default=Frozen(), doc="labels of these backends"
    )


_GROUPS = list_of(section(TargetGroup))


def read_targets(value: object, outside: ReadContext) -> tuple[Backend, ...]:
    """Return the backends of a file_sd list, or raise `Rejected`.

    Of a target that is listed twice, the first entry counts.
    """
    backends: dict[str, Backend] = {}
    for group in _GROUPS.read(value, outside):
        for backend in group.targets:
            labels = group.labels
            labelled = replace(backend, labels=labels) if labels else backend
            backends.setdefault(backend.key, labelled)
    return tuple(backends.values())


def parse_targets(content: str, source: str) -> tuple[Backend, ...]:
    """Return the backends in the text of a list, or raise `ConfigError`."""
    document = read_document(content, source)
    problems = list(document.problems)
    backends: tuple[Backend, ...] = ()
    try:
        backends = read_targets(document.value, ReadContext("", str, {}))
    except Rejected as rejected:
        problems += (
            document.problem(*each)
            for each in rejected.complaints
            if each.path not in document.mistaken
        )
    if problems:
        raise ConfigError(*sorted(problems, key=lambda problem: problem.line))
    return backends


def write_targets(backends: tuple[Backend, ...]) -> list[dict[str, object]]:
    """Return the list of these backends as JSON."""
    groups: dict[Frozen[str], list[str]] = {}
    for backend in backends:
        groups.setdefault(backend.labels, []).append(backend.key)
    return [{"targets": keys, "labels": labels} for labels, keys in groups.items()]
