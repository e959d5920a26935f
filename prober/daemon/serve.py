"""The daemon: wires the rooms together and serves until it is stopped."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Iterable
from functools import partial

import structlog
from aiohttp import web

from prober import __version__
from prober.config import garbage
from prober.config.configuration import Config
from prober.config.disk import FileHashes
from prober.config.shrink import ShrinkGuard
from prober.daemon.access import AccessControl, allows_reload, connection_limits, why_locked
from prober.daemon.loading import Source, read_aside
from prober.daemon.output_service import OutputService
from prober.daemon.probing import Prober
from prober.daemon.reload import Reloader
from prober.discovery.lists import TargetLists
from prober.edits.editor import ConfigEditor
from prober.edits.kept import KeptEdits
from prober.engine.tls_contexts import check_tls
from prober.model.probe import Target
from prober.model.shard import Shard
from prober.state.notices import Notices
from prober.state.state_errors import StateUnusableError
from prober.systemd.service import SystemdService
from prober.web.app import end_streams, make_app
from prober.web.server.listener import Listener
from prober.web.server.public_address import stripped_base
from prober.web.server.services import Services

log = structlog.get_logger()

STOP_SECONDS = 2.0
"""Seconds for connections to the API to finish when the daemon stops."""
SPARE_DESCRIPTORS = 128
"""File descriptors reserved for everything else; probes use half of the rest."""


async def run(
    config: Config,
    *,
    source: Source | None = None,
    traces: FileHashes | None = None,
    listen: Iterable[Target] = (),
    allow_shrink: bool = False,
    shard: Shard | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Args:
        config: The initial configuration.
        source: Where to read it again for a reload; None if there is nothing to read.
        traces: The hashes of its files, to notice changes.
        listen: Addresses to serve on, instead of the configured ones.
        allow_shrink: Whether a reload may drop more than half of the checks at once.
        shard: Which share of the checks to probe; None: all.
    """
    path = source.find() if source else None
    share = {"shard": str(shard)} if shard else {}
    started = {"config": path or "demo", "config_hash": config.digest, **share}
    log.info("starting", version=__version__, **started)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        prober = _prober_class(config)(config, loop=loop, limit=_probe_limit())
    except StateUnusableError as error:
        log.error("state_unusable", reason=str(error))  # noqa: TRY400  (the reason is enough)
        return 1
    addresses = tuple(listen) or config.server.listen
    guard = ShrinkGuard(allow=allow_shrink)
    daemon = _Daemon(prober, config, addresses, source=source, guard=guard, shard=shard)
    loop.add_signal_handler(signal.SIGHUP, daemon.reloader.ask)
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)  # SIGHUPs in a storm
    return await daemon.serve(traces, stop)


def _prober_class(config: Config) -> type[Prober]:
    if config.cluster is None:
        return Prober
    from prober.daemon.sharing_prober import SharingProber  # noqa: PLC0415  (few want it)

    return SharingProber


class _Daemon:
    """What runs in addition to the probing half: edits, target lists, reloads, the API."""

    def __init__(
        self,
        prober: Prober,
        config: Config,
        addresses: tuple[Target, ...],
        *,
        source: Source | None,
        guard: ShrinkGuard,
        shard: Shard | None,
    ) -> None:
        self._prober = prober
        self._shard = shard
        self._addresses = addresses
        busy, note, kept = asyncio.Lock(), prober.store.note, prober.kept
        self._lists = TargetLists(
            vitals=prober.vitals, note=note, state_dir=config.server.state_dir
        )
        config = self._lists.begin(config)
        self._edits = KeptEdits(
            config, kept.saved.edits, journal=kept.journal, note=note, shard=shard
        )
        self._editor = self._new_editor(busy)
        prober.share_edits(self._edits, self._editor)
        self._access = AccessControl(config, addresses, ended=lambda: end_streams(self._app))
        self._outputs = OutputService(
            prober.store,
            prober.known,
            prober.vitals,
            told=kept.saved.told,
            journal=kept.journal,
            wall=time.time,
            base_url=self._base_url,
            speaker=lambda: prober.speaker,
        )
        self._notices = Notices(note=note, saved=kept.saved.notices, journal=kept.journal)
        prober.share_notices(self._notices)
        self._service = SystemdService.of(os.environ, prober.store, prober.vitals)
        self.reloader = self._new_reloader(source, busy, guard)
        kept.on_loss(self._edits.save_all)
        kept.on_loss(self._outputs.save_all)
        kept.on_loss(self._notices.save_all)
        self._app = make_app(self._services())

    def _new_editor(self, busy: asyncio.Lock) -> ConfigEditor:
        return ConfigEditor(
            self._prober,
            self._edits,
            busy=busy,
            check_monitor=check_tls,
            objection=self._prober.target_policy.objection,
            wall=time.time,
            also_locked=self._why_locked,
        )

    def _why_locked(self) -> str | None:
        if self._shard:
            return (
                f"edits are refused: this prober has only shard {self._shard} of the checks; "
                "edit the configuration file of all shards"
            )
        return why_locked(self._prober.config, self._addresses)

    def _new_reloader(
        self, source: Source | None, busy: asyncio.Lock, guard: ShrinkGuard
    ) -> Reloader:
        return Reloader(
            self._prober,
            read=partial(read_aside, source) if source else None,
            guard=guard,
            note=self._prober.store.note,
            edits=self._edits,
            busy=busy,
            lists=self._lists,
            adopted=self._adopt,
            around=self._service.reloading,
        )

    async def _tick_admin_states(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._prober.store.admin.tick()

    def _adopt(self, config: Config) -> None:
        self._access.adopt(config)
        self._outputs.adopt(config.outputs)

    def _base_url(self) -> str:
        scheme = "https" if self._access.tls else "http"
        bound = self._prober.target_policy.listeners or self._addresses
        return f"{scheme}://{bound[0]}"

    def _services(self) -> Services:
        prober = self._prober
        return Services(
            store=prober.store,
            vitals=prober.vitals,
            known=prober.known,
            pools=prober.pools,
            wall=time.time,
            clock=time.monotonic,
            history=prober.kept.history,
            access=self._access.access,
            notices=self._notices,
            page=prober.page,
            public_gates=lambda: prober.config.health.public,
            editor=self._editor,
            reload=self.reloader.reload,
            allows_reload=lambda: allows_reload(prober.config, self._addresses),
            probe_now=prober.probe_now,
            others=prober.others,
            on_demand=prober.on_demand,
            discovery=lambda: self._outputs.discovery,
        )

    async def serve(self, traces: FileHashes | None, stop: asyncio.Event) -> int:
        """Probe and serve until `stop` is set; return the exit status."""
        runner = web.AppRunner(self._app, shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        limits = connection_limits(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        assert runner.server is not None  # noqa: S101  (for the type checker: it is set up)
        paths = frozenset(each.canonical for each in self._app.router.resources())
        listener = Listener(
            runner.server,
            limits=limits,
            tls=lambda: self._access.tls,
            base=lambda: stripped_base(self._prober.page().base, paths),
        )
        try:
            with self._prober.probing(self._edits.edited.config):
                self._edits.start()
                if not await _listen(listener, self._addresses):
                    return 1
                scheme = "https" if self._access.tls else "http"
                for bound in listener.addresses:
                    log.info("listening", address=str(bound), url=f"{scheme}://{bound.here}/")
                self._prober.target_policy.spare(listener.addresses)
                await self._work(traces, stop)
        finally:
            await listener.close()
            await runner.cleanup()
        return self._prober.exit_status

    async def _work(self, traces: FileHashes | None, stop: asyncio.Event) -> None:
        vitals = self._prober.vitals
        garbage.settle()
        if self._prober.config.server.state_dir is None:
            log.info("state_in_memory_only")
        self.reloader.start(traces)
        self._lists.start(self.reloader)
        self._outputs.adopt(self._prober.config.outputs)
        ticking = asyncio.create_task(self._tick_admin_states())
        async with self._prober.sharing(stop):
            vitals.became_ready()
            log.info("ready", checks=len(self._prober.store))
            async with self._service.running():
                await stop.wait()
            log.info("stopping", probes_in_flight=vitals.probes_in_flight)
            vitals.is_stopping()
        ticking.cancel()
        await self._outputs.close()
        await self._lists.close()
        await self.reloader.close()


async def _listen(listener: Listener, addresses: Iterable[Target]) -> bool:
    """Listen on every address, or log why not."""
    for address in addresses:
        try:
            await listener.open(address)
        except OSError as error:
            reason = error.strerror or str(error)
            hint = "--listen or server.listen sets another address"
            log.error("cannot_listen", address=str(address), reason=reason, hint=hint)  # noqa: TRY400  (an operator wants the reason, not where it was noticed)
            return False
    return True


def _probe_limit() -> int:
    """Raise the descriptor limit as far as allowed; return the maximum number of open probes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(8, (hard - SPARE_DESCRIPTORS) // 2)
