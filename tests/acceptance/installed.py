"""The service that `make install` installs, as an operator handles it."""

import json

from tests.acceptance.machine import Machine

UNIT = "prober.service"
PROBER = "/usr/local/bin/prober"


class Installed:
    """The installed service, as an operator handles it."""

    def __init__(self, running: Machine) -> None:
        self.machine = running
        self._drop_in = running.root / "run/systemd/system/prober.service.d/test.conf"
        self._seen = 0

    def configure(self, *monitors: object, drop_in: str = "") -> None:
        """Write the configuration, and lines of the unit's section Service."""
        path = self.machine.root / "etc/prober/prober.yaml"
        path.write_text(json.dumps({"monitors": monitors}))
        if drop_in:
            self._drop_in.parent.mkdir(parents=True, exist_ok=True)
            self._drop_in.write_text(f"[Service]\n{drop_in}\n")
            self.machine.ask("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start it; this waits until it is ready."""
        self.machine.ask("systemctl", "start", UNIT)

    def has_status(self, text: str) -> bool:
        """Return whether the status line says so."""
        return self.machine.show(UNIT, "StatusText") == text

    def wait_for_status(self, text: str) -> None:
        """Wait until the status line says so."""
        self.machine.wait_for(lambda: self.has_status(text))

    def checks(self) -> dict[str, dict[str, object]]:
        """Return the checks, by monitor."""
        shown = json.loads(self.machine.run(PROBER, "status", "--json").stdout)
        return {check["monitor"]: check for check in shown["checks"]}

    def process(self) -> dict[str, str]:
        """Return what the kernel says of the main process."""
        number = self.machine.show(UNIT, "MainPID")
        lines = (self.machine.root / f"proc/{number}/status").read_text().splitlines()
        return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}

    def log(self, least: int = 7) -> str:
        """Return what the daemon has logged in this test, as urgent as this or more."""
        lines = self._journal()[self._seen :]
        return "\n".join(
            line["MESSAGE"]
            for line in lines
            if line["_TRANSPORT"] == "stdout" and int(line["PRIORITY"]) <= least
        )

    def begin(self) -> None:
        """Forget what the journal has until now."""
        self._seen = len(self._journal())

    def _journal(self) -> list[dict[str, str]]:
        unit = f"_SYSTEMD_UNIT={UNIT}"
        shown = self.machine.ask("journalctl", "--no-pager", "--output=json", unit)
        return [json.loads(line) for line in shown.splitlines()]

    def end(self) -> None:
        """Leave nothing behind but the state."""
        self.machine.run("systemctl", "stop", UNIT)
        self.machine.run("systemctl", "reset-failed", UNIT)
        self._drop_in.unlink(missing_ok=True)
        self.machine.ask("systemctl", "daemon-reload")
