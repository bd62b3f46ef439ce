"""Connections leave a transport of asyncio without their peers noticing, and go into another one.

A transport gives its descriptor up with what it has not sent; what has not been read waits in the
kernel. The descriptor may go to another process before it is adopted there, or come back. Nothing
is sent, nothing is read and nothing is shut down meanwhile, so that no peer sees more than a pause.

asyncio has no call for it. This uses parts of its selector transport that are the same in Python
3.11, 3.12 and 3.13, checks that they are there, and refuses every other kind of transport by name.
A connection with TLS cannot move: its keys and counters are in OpenSSL, which does not give them.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import selector_events, sslproto
from typing import Any, Final, cast

from msgspec import Struct

_TRANSPORT: Final = cast("Any", selector_events)._SelectorSocketTransport  # noqa: SLF001 - above
_USED: Final = ("_sock", "_buffer", "_conn_lost", "_eof", "_empty_waiter")

TLS = "a TLS connection cannot move: OpenSSL does not give its keys and counters away"


class NotDetachable(Exception):  # noqa: N818 - a state of affairs
    """A transport cannot give its connection up; the message says why."""


class Detached(Struct, frozen=True):
    """A connection without a transport.

    Attributes:
        descriptor: of its socket; whoever has this closes it or has it adopted.
        unsent: what the transport had taken and not sent; it goes out before anything else.
        closing: whether it is to be closed as soon as that has gone out.
    """

    descriptor: int
    unsent: bytes = b""
    closing: bool = False


class _Nobody(asyncio.Protocol):
    """Takes the place of a protocol whose connection has gone elsewhere: it hears of no end."""


_NOBODY: Final = _Nobody()


def detach(transport: asyncio.BaseTransport) -> Detached:
    """Take a connection out of its transport; its protocol is told nothing.

    Args:
        transport: of a stream socket; it is of no use afterwards.

    Returns:
        The connection.

    Raises:
        NotDetachable: It is of another kind (TLS, another loop's), ends already, or is busy with
            something that cannot be divided (`sendfile`, the end of a half-closed stream).
    """
    inner = _inner(transport)
    unsent, closing = _unsent(inner._buffer), inner.is_closing()  # noqa: SLF001 - see the module
    inner.set_protocol(_NOBODY)
    inner.abort()  # takes it off the loop at once; its end comes in the loop's next turn
    return Detached(inner._sock.detach(), unsent, closing)  # noqa: SLF001 - and finds no descriptor


def adopt(
    loop: asyncio.AbstractEventLoop, connection: Detached, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """Give a connection a transport, of this process's loop.

    What is unsent is sent before this returns, as far as the peer takes it. Nothing is read before
    ``resume_reading``. ``connection_made`` follows in the loop's next turn, as it does where a
    connection is accepted; so does ``connection_lost`` after it, where the peer is gone.

    Args:
        loop: to live on.
        connection: that was detached, here or in another process.
        protocol: what the transport tells.

    Raises:
        NotDetachable: The loop is none of asyncio's selector loops; the descriptor stays open.
        OSError: It is not the descriptor of a socket.
    """
    if not isinstance(loop, selector_events.BaseSelectorEventLoop):
        raise NotDetachable(f"{type(loop).__qualname__} is not a selector loop of asyncio")
    sock = socket.socket(fileno=connection.descriptor)
    sock.setblocking(False)
    made = cast("Any", loop)._make_socket_transport(sock, protocol)  # noqa: SLF001 - see the module
    transport = cast("asyncio.Transport", made)
    transport.pause_reading()
    if connection.unsent:
        transport.write(connection.unsent)
    if connection.closing:
        transport.close()
    return transport


def _inner(transport: asyncio.BaseTransport) -> Any:
    """The transport, where it is one that can give its connection up."""
    if isinstance(transport, sslproto._SSLProtocolTransport):  # noqa: SLF001 - for its name alone
        raise NotDetachable(TLS)
    kind = type(transport).__qualname__
    if type(transport) is not _TRANSPORT:
        raise NotDetachable(f"{kind} is not the stream transport of asyncio's selector loop")
    inner = cast("Any", transport)
    missing = [name for name in _USED if not hasattr(inner, name)]
    if missing:
        raise NotDetachable(f"{kind} of this Python has no {', '.join(missing)}")
    if inner._conn_lost or inner._sock is None:  # noqa: SLF001 - see the module
        raise NotDetachable("the connection has ended")
    if inner._eof or inner._empty_waiter is not None:  # noqa: SLF001 - see the module
        raise NotDetachable("the connection ends its output, or sends a file")
    return inner


def _unsent(buffer: Any) -> bytes:
    """What a transport has not sent: bytes in Python 3.11, a queue of them since 3.12."""
    return bytes(buffer) if isinstance(buffer, bytearray) else b"".join(buffer)
