"""A backend in the words of Oracle's two services, and back."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from prober.model.admin import AdminEntry
from prober.model.kinds import BOOLEAN, integer
from prober.model.option import Complaint, Kind, ReadContext, Rejected, in_words
from prober.model.pool import HOST, PORT, Backend
from prober.web.dialects.oracle.backend_flags import BackendFlags
from prober.web.dialects.oracle.requests import invalid, is_as_shown, members_of
from prober.web.server.json_answer import Json

_OUTSIDE = ReadContext("", str, {})
_WEIGHT = integer(1, 100)


Known = Mapping[str, tuple[Backend, AdminEntry | None]]
"""Backends with their admin states, by `address:port`."""
NOTHING_KNOWN: Known = MappingProxyType({})


class WantedBackend(NamedTuple):
    """A backend as a request wants it."""

    backend: Backend
    flags: BackendFlags


class BackendForm(NamedTuple):
    """The backends of one service.

    `drain`, `offline` and `backup` are its names for the flags of a backend. `unusable` are members
    that prober has no counterpart for, with what it lacks; they are always null. A change needs the
    members that are `required`.
    """

    drain: str
    offline: str
    backup: str
    unusable: Mapping[str, str]
    required: tuple[str, ...] = ()

    def show(self, backend: Backend, admin: AdminEntry | None) -> Json:
        """Return a backend with the admin state that applies to it."""
        flags = BackendFlags.of(admin)
        return {
            "name": backend.key,
            "ipAddress": backend.address,
            "port": backend.port or 0,
            "weight": backend.weight,
            self.backup: backend.backup,
            self.drain: flags.drain,
            self.offline: flags.offline,
            **dict.fromkeys(self.unusable),
        }

    def read_new(self, body: object, known: Known = NOTHING_KNOWN) -> WantedBackend:
        """Read a backend that a request names by its address; raise `Refused`.

        Of one that is `known`, members that are left out or as they are shown stay.
        """
        given = members_of(body, ("name", *self._kinds()), ("ipAddress", "port"))
        name = given.pop("name", None)
        place = read_members(
            self._kinds(), {each: given.pop(each) for each in ("ipAddress", "port")}
        )
        backend = Backend(address=place["ipAddress"], port=place["port"])
        if name not in (None, backend.key):
            why = f"expected {backend.key!r}: prober names backends by address and port"
            raise invalid([Complaint(("name",), f"{why}, got {in_words(name)}")])
        if backend.key not in known:
            return self._wanted(backend, BackendFlags(), read_members(self._kinds(), given))
        return self._change(given, *known[backend.key])

    def read_change(
        self, body: object, backend: Backend, admin: AdminEntry | None
    ) -> WantedBackend:
        """Read a change of a backend; members that are left out stay. Raise `Refused`."""
        fixed = ("ipAddress", "port")
        known = [name for name in self._kinds() if name not in fixed]
        return self._change(members_of(body, known, self.required), backend, admin)

    def _change(
        self, given: Mapping[str, Any], backend: Backend, admin: AdminEntry | None
    ) -> WantedBackend:
        shown = self.show(backend, admin)
        changed = {name: each for name, each in given.items() if not is_as_shown(each, shown[name])}
        return self._wanted(backend, BackendFlags.of(admin), read_members(self._kinds(), changed))

    def _kinds(self) -> dict[str, Kind[Any]]:
        flags = dict.fromkeys((self.drain, self.offline, self.backup), BOOLEAN)
        unusable = {name: lacking(what) for name, what in self.unusable.items()}
        return {"ipAddress": HOST, "port": PORT, "weight": _WEIGHT, **flags, **unusable}

    def _wanted(
        self, backend: Backend, flags: BackendFlags, values: Mapping[str, Any]
    ) -> WantedBackend:
        weight = values.get("weight", backend.weight)
        backup = values.get(self.backup, backend.backup)
        return WantedBackend(
            replace(backend, weight=weight, backup=backup),
            BackendFlags(
                values.get(self.drain, flags.drain), values.get(self.offline, flags.offline)
            ),
        )


def read_members(kinds: Mapping[str, Kind[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of members, or raise `Refused` with everything that is wrong."""
    values, complaints = dict[str, Any](), list[Complaint]()
    for name, each in given.items():
        try:
            values[name] = kinds[name].read(each, _OUTSIDE)
        except Rejected as rejected:
            complaints += [Complaint((name,), found.message) for found in rejected.complaints]
    if complaints:
        raise invalid(complaints)
    return values


def lacking(what: str) -> Kind[Any]:
    """Return the kind of a member that asks for what prober is not."""

    def read(value: object, _: ReadContext) -> object:
        raise Rejected(f"{what}, got {in_words(value)}")

    return Kind(read, {})
