"""A Thespian system base on one asyncio loop; see ``EventLoopBase``."""

from __future__ import annotations

import sys

from supervision.eventloop import base as _base
from supervision.eventloop.base import EventLoopBase, actor_system
from supervision.eventloop.timekeeping import SchedulerLimits

# Thespian looks system bases up by module name: ActorSystem("eventLoopBase").
sys.modules["thespian.system.eventLoopBase"] = _base

__all__ = ["EventLoopBase", "SchedulerLimits", "actor_system"]
