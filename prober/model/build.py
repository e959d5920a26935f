"""How this copy of prober was built: packaging/wheel compiles this module as well."""

from typing import Final

BUILD: Final = "pure" if __file__.endswith(".py") else "compiled"
"""Compiled, a probe costs less CPU time; everything else is meant to be the same."""
