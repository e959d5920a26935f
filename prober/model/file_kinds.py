"""The kinds of values that name files or may come from one: secrets, PEM files, paths."""

from dataclasses import dataclass, field

from prober.model.kinds import has_surrogates, one_of, one_text, reject_surrogates, text
from prober.model.option import HIDDEN, Complaint, Kind, ReadContext, Rejected, expected


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that may come from a file or the environment, and is then never shown.

    `file` is the path of the file that it was read from.
    """

    content: str = field(repr=False)
    masked: bool
    file: str | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Return the text, or `<secret>`."""
        return HIDDEN if self.masked else self.content


ABSENT = "absent"
"""What is read where a secret may be absent, and is."""


def _absent(name: str) -> Secret:
    """Return a placeholder for a secret that is absent, different for each."""
    return Secret(f"{ABSENT}-{name.encode(errors='replace').hex()}", masked=True)


def _read_secret(value: object, outside: ReadContext) -> Secret:
    if isinstance(value, str):
        reject_surrogates(value)
        return Secret(value, masked=False)
    if not isinstance(value, dict):
        raise expected("text, {file: PATH} or {env: NAME}", value)
    how, name = one_text(value, ("file", "env"))
    if how == "file":
        content = read_secret_file(name, outside, (how,))
        if content is None:
            return _absent(name)
        return Secret(secret_in(content), masked=True, file=outside.locate(name))
    if name not in outside.environment:
        if outside.without_secrets:
            return _absent(name)
        raise Rejected(Complaint((how,), f"environment variable {name!r} is not set"))
    content = outside.environment[name]
    if has_surrogates(content):
        raise Rejected(Complaint((how,), f"environment variable {name!r} is not UTF-8 text"))
    return Secret(content, masked=True)


def secret_in(content: str) -> str:
    """Return the secret in the text of a file: all but the ends of the last lines."""
    return content.rstrip("\r\n")


def _hint(name: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and name.startswith("/run/credentials/"):
        return "; systemd puts it there when the service starts: start it, or --without-secrets"
    return ""


def read_file(name: str, outside: ReadContext, path: tuple[str | int, ...] = ()) -> str:
    """Return the text of a file at a configured path, or raise `Rejected`."""
    reject_surrogates(name)
    try:
        return outside.read_file(outside.locate(name))
    except OSError as error:
        message = f"cannot read {name!r}: {error.strerror or error}{_hint(name, error)}"
    except UnicodeDecodeError:
        message = f"cannot read {name!r}: it is not UTF-8 text"
    except ValueError as error:  # the path contains what no path can
        message = f"cannot read {name!r}: {error}"
    raise Rejected(Complaint(path, message))


def read_secret_file(
    name: str, outside: ReadContext, path: tuple[str | int, ...] = ()
) -> str | None:
    """Return the text of a file that holds a secret, None if it is absent and may be."""
    outside.note_secret(outside.locate(name))
    if outside.without_secrets:
        try:
            return outside.read_file(outside.locate(name))
        except OSError:
            return None
        except ValueError:
            pass  # it is there, or cannot be: not what may be missing
    return read_file(name, outside, path)


SECRET = Kind(
    _read_secret, {"oneOf": [{"type": "string"}, one_of("file", "env")]}, str, holds_secrets=True
)


def _read_file_name(value: object, outside: ReadContext) -> str:
    return outside.locate(_FILE_NAME.read(value, outside))


_FILE_NAME = text(1, 4096)
FILE = Kind(_read_file_name, _FILE_NAME.schema)
"""The path of a file or directory; relative paths start at the configuration file's directory."""


def _read_pem_file(value: object, outside: ReadContext) -> str:
    if not isinstance(value, str) or not value:
        raise expected("the path of a PEM file", value)
    content = read_secret_file(value, outside)
    if content is not None and "-----BEGIN " not in content:
        raise Rejected(f"{value!r} is not a PEM file")
    return outside.locate(value)


PEM_FILE = Kind(_read_pem_file, {"type": "string", "minLength": 1}, names_files=True)
"""The path of a readable PEM file."""
