"""What is noticed of files that change."""

from pathlib import Path

from prober.config.watch import UNSETTLED, Watcher
from prober.daemon.loading import Source, read
from tests.config.changing_files import Files

NOW = 1000.0


def test_a_change_counts_when_two_looks_agree_and_only_once() -> None:
    files = Files(main="old", more="x")
    assert files.look(2) == [False, False]
    files.write("main", "new")
    assert files.look(4) == [False, True, False, False]


def test_files_at_rest_are_not_read() -> None:
    files = Files(main="old")
    files.look()
    files.reads = 0
    assert files.look(10) == [False] * 10
    assert files.reads == 0


def test_a_touch_changes_nothing() -> None:
    files = Files(main="old")
    files.look()
    files.write("main", "old")
    assert files.look(3) == [False] * 3


def test_a_file_that_is_being_written_is_left_alone_until_it_rests() -> None:
    files = Files(main="old")
    seen = []
    for content in ("n", "ne", "new"):
        files.write("main", content)
        seen += files.look()
    assert [*seen, *files.look(2)] == [False, False, False, True, False]


def test_a_file_that_is_written_all_the_time_is_read_now_and_then() -> None:
    files = Files(main="old", more="x")
    seen = []
    for number in range(3 * (UNSETTLED + 1)):
        files.write("main", f"version {number}")
        seen += files.look()
    assert seen == 3 * ([False] * UNSETTLED + [True])
    assert files.watcher.differing == {"main"}


def test_a_file_that_is_away_again_and_again_is_not_read_while_it_is() -> None:
    files = Files(main="old", more="x")
    for number in range(3 * UNSETTLED):
        files.write("more", f"version {number}")
        files.content.pop("main", None)
        assert files.look() == [False]
    files.write("main", "new")
    assert files.look() == [True]


def test_a_file_that_is_away_for_a_moment_is_nothing() -> None:
    files = Files(main="old")
    files.look()
    del files.content["main"]
    seen = files.look()
    files.write("main", "old")
    assert seen + files.look(3) == [False] * 4


def test_a_file_that_stays_away_or_comes_to_a_pattern_is_noticed() -> None:
    files = Files(main="old", more="x")
    files.write("other", "y")
    assert files.look(3) == [False, True, False]
    del files.content["more"]
    assert files.look(3) == [False, True, False]


def test_content_that_was_rejected_is_not_tried_again_but_what_was_there_before_is() -> None:
    files = Files(main="old")
    files.write("main", "bad")
    assert files.look(3) == [False, True, False]
    files.write("main", "bad")
    assert files.look(3) == [False] * 3
    files.write("main", "old")
    assert files.look(3) == [False, True, False]


def test_the_swap_of_a_link_is_noticed(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "prober.yaml").write_text(f"# {version}\nmonitors: []\n")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "prober.yaml").symlink_to("..data/prober.yaml")
    reading = read(Source(path=str(tmp_path / "prober.yaml"), environment={}))
    assert reading.traces
    watcher = Watcher()
    watcher.follow(reading.traces)
    assert not watcher.look()
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "..data")
    assert [watcher.look() for _ in range(3)] == [False, True, False]


def test_what_a_reading_looked_at_is_watched_whether_it_was_there_or_not(tmp_path: Path) -> None:
    main = tmp_path / "prober.yaml"
    main.write_text("include: [there.yaml, away.yaml, 'conf.d/*.yaml']\n")
    (tmp_path / "there.yaml").write_text(
        "monitors: [{name: a, type: HTTP, targets: ['h:80'], body: {file: secret}}]\n"
    )
    (tmp_path / "secret").write_text("hush")
    reading = read(Source(path=str(main), environment={}))
    assert reading.config is None
    assert "away.yaml" in reading.problems[0]
    watcher = Watcher()
    assert reading.traces
    watcher.follow(reading.traces)
    assert not watcher.look()
    (tmp_path / "away.yaml").write_text("pools: []\n")
    assert [watcher.look() for _ in range(2)] == [False, True]
    (tmp_path / "secret").write_text("hush!")
    assert [watcher.look() for _ in range(2)] == [False, True]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.yaml").write_text("pools: []\n")
    assert [watcher.look() for _ in range(2)] == [False, True]
