"""What can be wrong with the state directory."""


class StateUnusableError(Exception):
    """The state directory cannot be used."""


class InUseError(StateUnusableError):
    """Another prober uses the state directory."""


class StateUnreadableError(Exception):
    """What is stored cannot be read, or the disk does not answer; the message says why."""
