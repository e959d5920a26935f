"""What a reload would do, told from two configurations."""

from collections.abc import Callable, Iterable

import pytest

from prober.config.changes import Changes, changes
from prober.config.configuration import Config
from prober.model.monitor import Check

Read = Callable[..., Config]

BEFORE = """\
pools:
- {name: web, backends: ["192.0.2.1:80", {address: 192.0.2.2, port: 80}]}
- {name: api, backends: ["192.0.2.3:80"]}
monitors:
- {name: a, type: TCP, pool: web}
- {name: b, type: HTTP, pool: api}
- {name: c, type: TCP, targets: ["192.0.2.4:80"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "# a comment\n", ("", "", "")),
        ('["192.0.2.3:80"]', '["192.0.2.3:80", "192.0.2.9:80"]', ("b9", "", "")),
        ('"192.0.2.1:80", ', "", ("", "a1", "")),
        ("192.0.2.3", "192.0.2.9", ("b9", "b3", "")),
        ('["192.0.2.4:80"]', '["192.0.2.5:80", "192.0.2.4:80"]', ("c5", "", "")),
        ("port: 80}", "port: 80, labels: {x: y}}", ("", "", "a2")),
        ("type: HTTP", "type: HTTP, url_path: /x", ("", "", "b3")),
        ("type: HTTP", "type: HTTP, interval: 5s", ("", "", "")),
        ("type: HTTP", "type: HTTPS", ("", "", "b3")),
        ("type: HTTP", "type: HTTP, enabled: false", ("", "", "b3")),
        ("name: b", "name: d", ("d3", "b3", "")),
        ("name: api", "name: api, load_balancer: lb", ("", "", "b3")),
        ("pool: web}", 'targets: ["192.0.2.1:80"]}', ("", "a2", "a1")),
        ('targets: ["192.0.2.4:80"]', "pool: api", ("c3", "c4", "")),
    ],
)
def test_a_reload_touches_only_what_differs(
    read: Read, old: str, new: str, expected: tuple[str, str, str]
) -> None:
    found = changes(read(BEFORE).model, read(BEFORE.replace(old, new, 1)).model)

    def names(checks: Iterable[Check]) -> str:
        return " ".join(f"{each.monitor.name}{each.backend.address[-1]}" for each in checks)

    was, now = ([pair[i] for pair in found.changed] for i in (0, 1))
    assert (names(found.added), names(found.removed), names(was)) == expected
    assert names(now) == names(was)
    assert len(found.unchanged) + len(found.removed) + len(found.changed) == 4


def test_another_secret_is_a_change(read: Read) -> None:
    text = "monitors: [{name: a, type: HTTP, targets: ['h:80'], body: {env: E}}]"
    one, other = (read(text, environment={"E": secret}).model for secret in ("x", "y"))
    assert changes(one, one) == Changes([], [], [], [], same=1)
    assert len(changes(one, other).changed) == 1
