"""Each file in bad/ holds one mistake; what must be said of it stands at its top.

For YAML these are the comment lines at the top, for JSON a file `.expected` beside it. `{types}`
stands for the names of all probe types.
"""

from itertools import takewhile
from pathlib import Path

import pytest

from prober.config.problem import ConfigError
from prober.config.reader import load
from prober.probes import PROBE_TYPES

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.name for path in BAD.iterdir() if path.suffix in (".yaml", ".json"))


def expected_of(path: Path) -> list[str]:
    if path.suffix == ".json":
        return path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("# ") for line in takewhile(lambda line: line[:1] == "#", lines)]


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused_in_these_words(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as caught:
        load(name, environment={})
    said = [str(problem) for problem in caught.value.problems]
    types = ", ".join(PROBE_TYPES)
    lines = [line.replace("{types}", types) for line in expected_of(BAD / name)]
    assert said == [f"{name}:{line}" for line in lines]


def test_there_are_many_broken_files() -> None:
    assert len(FILES) >= 80
