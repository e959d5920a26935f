"""Edits are laid over a configuration that is read as those in `tests/config` are."""

from tests.config.conftest import read

__all__ = ["read"]
