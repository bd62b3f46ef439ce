"""Making an actor from what ``createActor`` is given: a class or its name, and requirements."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from supervision._thespian import actualActorClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision._thespian import Actor

# Looking a signature up takes ten times as long as all the rest of making an actor. Weak, so that
# classes of sources that were unloaded can go.
_wanted: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()


def make_actor(
    actor_class: Any,
    capabilities: dict[str, Any],
    requirements: dict[str, Any] | None,
    loader: Callable[[str, str], Any] | None,
) -> Actor | None:
    """Make an actor of a class, if the system can do what the class requires.

    Args:
        actor_class: a class, or the name of one with its module.
        capabilities: of the system; shown to ``actorSystemCapabilityCheck``, and handed to an
            ``__init__`` that has an argument of this name.
        requirements: of the creator; likewise.
        loader: finds a class in the source that its creator comes from.

    Returns:
        The actor; None where the class refuses these capabilities.
    """
    found = actualActorClass(actor_class, loader)
    check = getattr(found, "actorSystemCapabilityCheck", None)
    if check is not None and not check(capabilities, requirements or {}):
        return None
    given = {"capabilities": capabilities, "requirements": requirements}
    actor: Actor = found(**{name: given[name] for name in _arguments(found)})
    return actor


def _arguments(actor_class: Any) -> tuple[str, ...]:
    """Which of Thespian's two optional arguments a class's ``__init__`` has."""
    names = _wanted.get(actor_class)
    if names is None:
        parameters = inspect.signature(actor_class.__init__).parameters
        names = tuple(name for name in ("capabilities", "requirements") if name in parameters)
        _wanted[actor_class] = names
    return names
