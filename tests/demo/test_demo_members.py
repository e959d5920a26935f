"""The targets of `make run-cluster`, and the configurations of the members that probe them."""

import asyncio
from contextlib import suppress
from pathlib import Path

from prober.config.reader import load
from prober.demo.demo_members import MEMBERS, main


async def test_each_member_has_a_configuration_with_the_targets_that_are_served(
    tmp_path: Path,
) -> None:
    serving = asyncio.create_task(main(tmp_path))
    try:
        while not (tmp_path / "written").exists():
            assert not serving.done()
            await asyncio.sleep(0)
        for name, port in MEMBERS.items():
            config = load(str(tmp_path / f"{name}.yaml"), environment={})
            assert config.cluster
            assert config.cluster.member == name
            assert [str(each) for each in config.server.listen] == [f"127.0.0.1:{port}"]
            assert config.server.state_dir == str(tmp_path / name)
            target = config.model.checks()[0].target
            _, writer = await asyncio.open_connection(*target)
            writer.close()
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
