"""The probes of Kubernetes' manifests, as a sidecar in the same pod would run them."""

from collections.abc import Iterator, Mapping
from typing import Any

from prober.importing.draft import Draft, Keys, SourcePlace
from prober.importing.source import SourceText, items, mapping

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_SELF = "127.0.0.1"
Steps = tuple[str | int, ...]


def read(sources: Iterator[SourceText], draft: Draft) -> None:
    """Add a monitor for each probe of each container."""
    for source in sources:
        objects: list[tuple[Steps, Any]] = [((), source.value)]
        if mapping(source.value).get("kind") == "List":
            listed = items(mapping(source.value).get("items"))
            objects = [(("items", i), each) for i, each in enumerate(listed)]
        for steps, value in objects:
            name = str(mapping(mapping(value).get("metadata")).get("name", "pod"))
            for where, spec in _pods(mapping(value), steps):
                for number, container in enumerate(items(spec.get("containers"))):
                    place = (*where, "containers", number)
                    with draft.reading(source.origin(*place), f"container of {name}"):
                        _container(source, place, name, mapping(container), draft)


def _pods(value: Mapping[str, Any], steps: Steps) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """Yield the specification of a pod, wherever a kind of object has it."""
    spec = mapping(value.get("spec"))
    if "containers" in spec:
        yield (*steps, "spec"), spec
    for key in ("template", "jobTemplate"):
        if key in spec:
            yield from _pods(mapping(spec[key]), (*steps, "spec", key))


def _container(
    source: SourceText, place: Steps, name: str, container: Mapping[str, Any], draft: Draft
) -> None:
    ports = {
        each.get("name"): each.get("containerPort")
        for each in map(mapping, items(container.get("ports")))
    }
    for which in _PROBES:
        if (probe := mapping(container.get(which))) == {}:
            continue
        origin = source.origin(*place, which)
        title = f"{name}-{container.get('name', 'container')}-{which.removesuffix('Probe')}"
        keys, port = _keys(probe, ports)
        if port is None:
            draft.left_out(origin, f"{title}: {_why(probe)}")
            continue
        host = str(mapping(probe.get("httpGet")).get("host") or _SELF)
        entry = draft.monitor(
            {
                "name": draft.name(title),
                **keys,
                "targets": [f"{host}:{port}"],
                "interval": f"{probe.get('periodSeconds', 10)}s",
                "timeout": f"{probe.get('timeoutSeconds', 1)}s",
                "rise": probe.get("successThreshold", 1),
                "fall": probe.get("failureThreshold", 3),
            },
            origin,
        )
        _tell(draft, entry, origin, probe)
        draft.taken(origin, f"{title}: {keys['type']} port {port}")


def _keys(probe: Mapping[str, Any], ports: Mapping[Any, Any]) -> tuple[Keys, Any]:
    """Return the type with its keys, and the port; no port if there is no such type."""
    if http := mapping(probe.get("httpGet")):
        tls = http.get("scheme") == "HTTPS"
        headers = {
            str(each.get("name")): str(each.get("value"))
            for each in map(mapping, items(http.get("httpHeaders")))
        }
        host = next((headers.pop(name) for name in [*headers] if name.lower() == "host"), None)
        keys: Keys = {
            "type": "HTTPS" if tls else "HTTP",
            "url_path": http.get("path", "/"),
            "expected_codes": "200-399",
            "domain_name": host,
            "headers": headers or None,
        }
        return keys, ports.get(http.get("port"), http.get("port"))
    if tcp := mapping(probe.get("tcpSocket")):
        return {"type": "TCP"}, ports.get(tcp.get("port"), tcp.get("port"))
    if grpc := mapping(probe.get("grpc")):
        return {"type": "GRPC", "service": grpc.get("service")}, grpc.get("port")
    return {}, None


def _why(probe: Mapping[str, Any]) -> str:
    return "prober runs no commands (exec)" if "exec" in probe else "no probe that prober knows"


def _tell(draft: Draft, entry: Any, origin: SourcePlace, probe: Mapping[str, Any]) -> None:
    text = f"{_SELF} is the pod itself: run prober as a sidecar, or write the pods' addresses"
    draft.changed(entry, origin, text)
    if delay := probe.get("initialDelaySeconds"):
        draft.left_out(origin, f"initialDelaySeconds {delay}: probing begins at once", entry)
