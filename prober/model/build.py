"""How this copy of prober was built: packaging/wheel compiles this module as well."""

from typing import Final

BUILD: Final = "pure" if __file__.endswith(".py") else "compiled"
"""The same product either way; compiled, a probe costs less CPU time."""
