"""The same supervisors and servers with each actor in an OS process of its own.

``Supervisor`` subclasses, ``ChildSpec`` and ``GenServer`` subclasses with synchronous handlers run
unchanged on Thespian's ``multiprocTCPBase``: every process carries one small node with the real
actor in it, and a supervisor's children are stand-ins for their processes. Who dies is seen by
pidfd, why it died is told by a protocol of our own, and no process outlives its supervisor.
"""

from supervision.multiproc.client import call, cast, start_supervisor, stop_supervisor
from supervision.multiproc.messages import Options
from supervision.multiproc.support import NotSupported

__all__ = ["NotSupported", "Options", "call", "cast", "start_supervisor", "stop_supervisor"]
