"""What introspection refuses with: answers for whoever asked, not failures."""

from __future__ import annotations


class NoSuchActor(Exception):  # noqa: N818 - an answer, not a failure
    """Nothing has this path.

    Attributes:
        path: what was asked for.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"no actor has the path {path}")
        self.path = path


class NotRunning(NoSuchActor):
    """What has this path does not run now: there is nobody to do this to.

    Attributes:
        status: how it is: ``stopped``, ``restarting`` ...
    """

    def __init__(self, path: str, status: str) -> None:
        super().__init__(path)
        self.args = (f"{path} does not run: it is {status}",)
        self.status = status


class NoSuchProbe(Exception):  # noqa: N818 - an answer, not a failure
    """The actor has no probe of this name.

    Attributes:
        probe: what was asked for.
    """

    def __init__(self, path: str, probe: str) -> None:
        super().__init__(f"{path} has no probe {probe}")
        self.probe = probe


class ActionRefused(Exception):  # noqa: N818 - an answer, not a failure
    """The actor is there, but this cannot be done to it.

    Attributes:
        path: of the actor.
        rule: why not.
    """

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.path = path
        self.rule = rule


class NotSuspended(ActionRefused):
    """Only a suspended actor can be changed so (``{error, {unknown_system_msg, _}}``)."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "must be suspended first")


class StillBusy(ActionRefused):
    """The actor's handler has not come to its end in time.

    Attributes:
        seconds: how long was waited.
    """

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(path, f"its handler has not ended within {seconds:g} s")
        self.seconds = seconds


class CallbackFailed(ActionRefused):
    """A callback of the actor, or the function it was given, raised: nothing has changed.

    Attributes:
        callback: which one (``{callback_failed, ...}``).
        error: what it raised, as text.
    """

    def __init__(self, path: str, callback: str, error: BaseException) -> None:
        super().__init__(path, f"{callback} failed: {type(error).__name__}: {error}")
        self.callback = callback
        self.error = f"{type(error).__name__}: {error}"


class NotPlain(ActionRefused):
    """A state, or a part of it, is not plain data that a patch can be merged into.

    Attributes:
        field: which part.
    """

    def __init__(self, path: str, field: str, rule: str) -> None:
        super().__init__(path, f"{field}: {rule}")
        self.field = field


class OutOfBounds(ValueError):  # noqa: N818 - an answer, not a failure
    """More was asked for than the node's configuration allows, or nothing at all.

    Attributes:
        field: which value.
        rule: what it may be.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} must be {rule}")
        self.field = field
        self.rule = rule


class NoSuchTrace(Exception):  # noqa: N818 - an answer, not a failure
    """No trace has this id, or it is forgotten.

    Attributes:
        trace: what was asked for.
    """

    def __init__(self, trace: str) -> None:
        super().__init__(f"no trace has the id {trace}")
        self.trace = trace


class LimitReached(Exception):  # noqa: N818 - an answer, not a failure
    """As much is watched as may be at once.

    Attributes:
        what: is watched.
        limit: how many may be.
    """

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"at most {limit} {what}")
        self.what = what
        self.limit = limit


def check(field: str, value: float, most: float, least: float = 1) -> None:
    """Refuse a number outside of its bounds.

    Args:
        field: its name.
        value: the number.
        most: the greatest that is allowed.
        least: the smallest.

    Raises:
        OutOfBounds: it is outside, or no number.
    """
    if not least <= value <= most:  # also false for NaN
        raise OutOfBounds(field, f"{least:g} to {most:g}")
