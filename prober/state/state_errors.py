"""What can be wrong with the state directory."""


class StateUnusableError(Exception):
    """The state directory cannot be used."""


class InUseError(StateUnusableError):
    """Another prober uses the state directory."""
