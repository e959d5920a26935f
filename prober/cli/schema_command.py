"""`prober schema`: the JSON schema of the configuration."""

from argparse import Namespace

from prober.cli.command import Command, Environment


def run(_: Namespace, __: Environment) -> int:
    """Print the JSON schema of the configuration."""
    import json

    from prober.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0


COMMAND = Command(
    "schema",
    "print the JSON schema of the configuration, for editors",
    run,
    (),
    """\
In editors that use yaml-language-server, start the configuration with this line to get completion
and validation:
  # yaml-language-server: $schema=prober.schema.json

example:
  prober schema >prober.schema.json""",
)
