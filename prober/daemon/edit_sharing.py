"""The edits of a member of a cluster: those of all members, by way of etcd."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from secrets import token_hex

import structlog

from prober.cluster.duties import Tell
from prober.cluster.key_store import KeyStore
from prober.cluster.shared_edits import EtcdEdits
from prober.edits.edit import Edit
from prober.edits.editor import ConfigEditor
from prober.edits.kept import KeptEdits
from prober.model.definition import Named

log = structlog.get_logger()

WORD_FILE = "cluster-edits"
"""The file in the state directory with the word by which a member knows the edits of a cluster."""
AGAIN = 5.0
"""Seconds after which the edits are read again if following them failed by a bug."""
_LONGEST = 1000  # characters of that file


class _OwnEdits:
    """The edits of this member, as `EtcdEdits` sees them."""

    def __init__(self, kept: KeptEdits, editor: ConfigEditor) -> None:
        self._kept = kept
        self.follow = editor.follow

    def current(self) -> Iterable[Edit]:
        return self._kept.edited.edits.values()

    def superseded(self) -> Mapping[Named, Edit]:
        return self._kept.superseded


class EditSharing:
    """Makes a member's edits those of the cluster; from its creation on, all edits go there.

    Args:
        store: The etcd.
        cluster: The name of the cluster.
        kept: The edits of this member.
        editor: What makes them.
        state_dir: Where the copy of the edits outlives the process; None: nowhere.
        agreed: Returns whether all members have the same configuration files.
        tell: Told of what operators hear of.
    """

    def __init__(
        self,
        store: KeyStore,
        cluster: str,
        kept: KeptEdits,
        editor: ConfigEditor,
        *,
        state_dir: str | None,
        agreed: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self._cluster = cluster
        self._file = Path(state_dir) / WORD_FILE if state_dir else None
        self._edits = editor.shared = EtcdEdits(
            store,
            cluster,
            _OwnEdits(kept, editor),
            remember=self._remember,
            agreed=agreed,
            new_word=lambda: token_hex(8),
            tell=tell,
        )

    @property
    def ready(self) -> asyncio.Event:
        """Set once the edits of the cluster are in force."""
        return self._edits.ready

    async def run(self) -> None:
        """Follow the edits of the other members until cancelled."""
        self._edits.word = await self._recall()
        while True:
            try:
                await self._edits.run()
            except Exception:
                log.exception("internal_error")
                await asyncio.sleep(AGAIN)

    async def _recall(self) -> str | None:
        """Return the word that this cluster's edits had when the last process knew them."""
        if self._file is None:
            return None
        try:
            text = await asyncio.to_thread(self._file.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        cluster, _, word = text[:_LONGEST].strip().partition(" ")
        return word if cluster == self._cluster and word else None

    async def _remember(self, word: str) -> None:
        if self._file is None:
            return
        try:
            await asyncio.to_thread(_write, self._file, f"{self._cluster} {word}\n")
        except OSError as error:
            log.warning("state_error", reason="unwritten", detail=f"{self._file}: {error}")


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)
