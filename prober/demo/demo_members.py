"""Serve the demo targets until stopped; write the configurations of three members that probe them.

Usage: python -m prober.demo.demo_members FOLDER
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from prober.demo.embedded import CONFIGURATION, open_targets

MEMBERS = {"one": 7771, "two": 7772, "three": 7773}
SECTIONS = """
server:
  listen: ["127.0.0.1:{port}"]
  state_dir: {folder}/{name}
cluster:
  name: demo
  etcd: {{endpoints: ["http://127.0.0.1:12379"]}}
  member: {name}
  ttl: 5s
"""


async def main(folder: Path) -> None:
    """Write a file for each member, then `written`, and serve."""
    async with AsyncExitStack() as stack:
        probed = CONFIGURATION.substitute(await open_targets(stack, time.monotonic))
        for name, port in MEMBERS.items():
            text = probed + SECTIONS.format(name=name, port=port, folder=folder)
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        (folder / "written").touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
