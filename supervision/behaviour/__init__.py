"""What every behaviour can do: ``base``, made of asking, of having names and of resting."""

from supervision.behaviour.base import NO_REPLY, Behaviour, undefined

__all__ = ["NO_REPLY", "Behaviour", "undefined"]
