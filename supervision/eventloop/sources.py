"""Thespian's loadable sources: zip files of actors, enabled by a Source Authority."""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    ActorAddress,
    LoadedSource,
    SourceHashFinder,
    UnloadedSource,
    ValidateSource,
    loadModuleFromHashSource,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Kernel

_log = logging.getLogger("Thespian")


class Sources:
    """The sources a node has been given.

    Args:
        kernel: the node.
        system: the address in whose name the authority and the listeners are written to.
    """

    def __init__(self, kernel: Kernel, system: LocalAddress) -> None:
        self._kernel = kernel
        self._system = system
        self._loaded: dict[str, bytes] = {}
        self._listeners: list[ActorAddress] = []
        self.authority: ActorAddress | None = None

    def load(self, file: Any) -> str:
        """Read a source and have the authority look at it; return its hash."""
        data = file.read() if hasattr(file, "read") else Path(file).read_bytes()
        # The hash only names the source; the authority decides whether it is trusted.
        name = hashlib.md5(data, usedforsecurity=False).hexdigest()
        cell = None if self.authority is None else self._kernel.cell_of(self.authority)
        if cell is not None and cell.actor is not None:
            # Asked within the call, as on simpleSystemBase: whoever loads a source may use it in
            # its next line. What the authority raises is its own failure, not the loader's.
            self._consult(cell, ValidateSource(name, data))
        return name

    def _consult(self, cell: Cell, question: Any) -> None:
        assert cell.actor is not None
        try:
            cell.actor.receiveMessage(question, self._system)
        except Exception as exception:  # noqa: BLE001 - decided as for any other message
            self._kernel.handler_failed(cell, question, self._system, exception)
        if self._system.cell is not None:
            self._kernel.flush(self._system.cell)

    def validated(self, name: str, archive: bytes | None) -> None:
        """The authority's word: a zip file to enable, or None for a refusal."""
        try:
            SourceHashFinder(name, lambda data: data, archive).getZipNames()
        except Exception as exception:  # noqa: BLE001 - Thespian's finder raises whatever zipfile does
            _log.error("source %s is refused or corrupt: %s", name, exception)
            return
        assert archive is not None
        self._loaded[name] = archive
        self._tell(LoadedSource(name, ""))

    def unload(self, name: str) -> None:
        """Forget a source and its modules; running actors keep theirs."""
        if self._loaded.pop(name, None) is not None:
            self._tell(UnloadedSource(name, ""))
        for finder in [f for f in sys.meta_path if getattr(f, "srcHash", None) == name]:
            root = finder.hashRoot()  # type: ignore[attr-defined]
            for module in [m for m in sys.modules if m and m.startswith(root)]:
                del sys.modules[module]
            sys.meta_path.remove(finder)

    def unload_all(self) -> None:
        """Forget every source."""
        for name in list(self._loaded):
            self.unload(name)

    def listen(self, address: ActorAddress, enable: bool) -> None:
        """Tell an actor of sources that come and go, beginning with those that are there."""
        self.forget(address)
        if enable:
            self._listeners.append(address)
            for name in self._loaded:
                self._kernel.send(address, LoadedSource(name, ""), self._system)

    def forget(self, address: ActorAddress) -> None:
        """An actor that has ended listens no more."""
        if self._listeners:  # every actor that ends comes here
            self._listeners = [one for one in self._listeners if one is not address]

    def loader(self, name: str | None) -> Callable[[str, str], Any] | None:
        """What finds an actor class in a source, for Thespian's class look-up."""
        if name is None:
            return None
        return functools.partial(loadModuleFromHashSource, name, self._loaded)

    def _tell(self, message: Any) -> None:
        for address in self._listeners:
            self._kernel.send(address, message, self._system)
