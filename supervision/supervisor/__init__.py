"""Supervisors (supervisor(3)): what starts, watches, restarts and stops the actors below it.

``children`` starts and restarts them, ``calls`` answers who asks for changes, ``actor`` is the
behaviour itself; ``shutdown`` and ``live_change`` are its ways of ending and of taking new specs.
"""

from supervision.supervisor.actor import Supervisor
from supervision.supervisor.shutdown import shutdown_bound

__all__ = ["Supervisor", "shutdown_bound"]
