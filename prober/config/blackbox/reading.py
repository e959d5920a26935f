"""Reads a module file.

A mistake in it is a mistake in the configuration. A module that asks for something prober does not
support is refused, so that it never gives a wrong answer; all other modules work.
"""

from typing import NamedTuple

from prober.config.blackbox.modules import Module
from prober.config.blackbox.unsupported import Unsupported
from prober.config.document import Document
from prober.config.problem import Problem
from prober.model.option import Complaint, Path, ReadContext, Rejected, mapping, section


class Modules(NamedTuple):
    """The modules of a file by name, and the reasons for refused ones."""

    usable: dict[str, Module]
    refused: dict[str, str]


def read_modules(document: Document, outside: ReadContext) -> tuple[Modules, list[Problem]]:
    """Read a module file: what is usable, what is refused, and what is wrong with it."""
    modules = Modules({}, {})
    problems = list(document.problems)
    path: Path = ()
    try:
        given = mapping(document.value)
        strange = [Complaint((key,), "unknown key") for key in given if key != "modules"]
        problems += [document.problem(*each) for each in strange]
        path = ("modules",)
        entries = mapping(given.get("modules", {}))
    except Rejected as rejected:
        problems += [
            document.problem(path + each.path, each.message) for each in rejected.complaints
        ]
        return modules, problems
    for name, value in entries.items():
        try:
            modules.usable[name] = section(Module).read(value, outside)
        except Rejected as rejected:
            found = [
                Complaint(("modules", name, *each.path), each.message)
                for each in rejected.complaints
            ]
            problems += [
                document.problem(*each)
                for each in found
                if not isinstance(each.message, Unsupported)
            ]
            modules.refused[name] = "; ".join(str(document.problem(*each)) for each in found)
    return modules, problems
