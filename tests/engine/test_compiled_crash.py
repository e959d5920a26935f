"""What the compiler gets wrong: weak references to a compiled generic class, with mypyc 2.4.1.

Such a reference is not cleared when its object dies. To follow it then, or to end it, touches
memory that is free: the process crashes, or gets another object. A compiled class that is not
generic refuses to be referred to weakly. So no class of the compiled build is generic.
"""

import ast
import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tests.engine.test_compiled import COMPILED

MODULE = '''
from typing import Generic, TypeVar

T = TypeVar("T")


class Box(Generic[T]):
    """Holds a value."""

    def __init__(self, value: T) -> None:
        self.value = value


class Plain:
    """Holds nothing."""
'''
USE = """
import os, sys, weakref
import boxes

class Interpreted(boxes.Generic[boxes.T]):
    pass

try:
    weakref.ref(boxes.Plain())
except TypeError as error:
    print(error)
for make in (Interpreted, lambda: boxes.Box(3)):
    cleared = []
    thing = make()
    reference = weakref.ref(thing, cleared.append)
    del thing
    print(len(cleared), flush=True)
os._exit(0)
"""
COMPILERS = (ROOT / ".venv/compile/bin/python", ROOT.parent / "compile/bin/python")
"""In the checkout, and seen from its compiled copy: an environment that has mypyc."""


def test_a_weak_reference_to_a_compiled_generic_class_outlives_its_object(tmp_path: Path) -> None:
    """Once mypyc has mended this, compiled classes may be generic again."""
    python = next((path for path in COMPILERS if path.exists()), None)
    if python is None:
        pytest.skip("there is no compiler: run `make compiled-tree`")
    (tmp_path / "boxes.py").write_text(MODULE)
    for arguments in (["-m", "mypyc", "boxes.py"], ["-c", USE]):
        command = [str(python), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    refused, *cleared = done.stdout.splitlines()
    assert refused.startswith("cannot create weak reference to ")
    assert cleared == ["1", "0"]


def test_no_compiled_class_is_generic() -> None:
    generic = [
        f"{path}: {node.name}"
        for path in sorted(COMPILED)
        for node in ast.walk(ast.parse(Path(path).read_text()))
        if isinstance(node, ast.ClassDef) and any(_is_generic(base) for base in node.bases)
    ]
    assert generic == []


def _is_generic(base: ast.expr) -> bool:
    return isinstance(base, ast.Subscript) and ast.unparse(base.value) != "dict"
