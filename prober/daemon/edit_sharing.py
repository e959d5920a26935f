"""The edits of a member of a cluster, which shares them with all members through etcd."""

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
"""The file in the state directory with the word that identifies the edits of a cluster."""
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
    """Shares a member's edits with its cluster; once it exists, all edits go through etcd.

    Args:
        store: The etcd.
        cluster: The name of the cluster.
        kept: The edits of this member.
        editor: Makes edits.
        state_dir: Where a copy of the edits survives the process; None: nowhere.
        agreed: Returns whether all members have the same configuration files.
        tell: Reports what operators should know.
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
        """Return the word of this cluster's edits that the previous process stored."""
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
