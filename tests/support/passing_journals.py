"""Journals that pass from one node to another, with real files; both are in one process."""

from __future__ import annotations

import asyncio
import os

from journal_kit import plain_codecs

from actors.config import JournalConfig
from actors.journal.journal import Journal
from actors.journal.no_writer import NoWriter
from actors.journal.thread import ThreadWriter
from actors.permanence import Permanence
from actors.takeover.journal_part import JournalPart
from supervision import actor_system


class Node:
    """A journal and its part, in a process that is the other one's too."""

    def __init__(self, directory, codecs=None, *, provisional=False, **config):
        self.kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
        settings = JournalConfig(**config)
        if settings.mode == "durable":
            writer = ThreadWriter(self.kernel, directory, settings)
        else:
            writer = NoWriter(self.kernel)
        known = plain_codecs() if codecs is None else codecs
        self.journal = Journal(self.kernel, writer, known, settings)
        self.permanence = Permanence(provisional=provisional)
        self.part = JournalPart(self.journal, self.permanence, patience_s=20.0)


def agree(old, new):
    """Have two nodes know each other's versions."""
    new.part.agree(old.part.types())
    old.part.agree(new.part.types())


def pass_on(old, new):
    """What has been packed goes to the other one, descriptors as the kernel hands them over."""
    packed = old.part.pack(1)
    new.part.unpack(1, packed.body, tuple(map(os.dup, packed.descriptors)))
    return packed


async def take_over(old, new):
    """All steps, up to the end of the old one, whose descriptors go with it."""
    agree(old, new)
    await old.part.ready()
    await old.part.drain(0.0)
    await old.part.stop()
    packed = pass_on(old, new)
    await new.part.switch()
    for descriptor in packed.descriptors:
        os.close(descriptor)
