"""What a mail is answered where something else fails, and how a spool is kept within bounds."""

import asyncio
import os
import smtplib
import stat
from types import SimpleNamespace

import pytest
from channel_node import letter

from actors.channels.counts import ChannelCounts
from actors.channels.mail_desk import MailDesk
from actors.channels.mail_protocol import MailConnections
from actors.channels.messages import Received
from actors.channels.spool import Spool, SpoolFull
from actors.channels_config import MailConfig
from actors.session_api import Busy, UserDataLimit

CONFIG = MailConfig(recipients={"support@example.com": "support"})
TO = ["support@example.com"]
DAY_S = 86_400.0


class Conversations:
    """Takes messages, or fails as a test says."""

    def __init__(self, failure=None):
        self.failure, self.taken = failure, []

    async def receive(self, arrival):
        if self.failure is not None:
            raise self.failure
        self.taken.append(arrival)
        return Received("a" * 24, "opened", 1)


def desk(directory, failure=None, most=10_000_000, overload=""):
    spool = Spool(directory / "mail", most, DAY_S)
    return MailDesk(CONFIG, Conversations(failure), spool, ChannelCounts("mail"), lambda: overload)


@pytest.mark.parametrize(
    ("failure", "most", "reply"),
    [
        (None, 10_000_000, "250 2.0.0 aaaaaaaaaaaaaaaaaaaaaaaa"),
        (Busy(1.0), 10_000_000, "451 4.3.0"),
        (UserDataLimit(9), 10_000_000, "552 5.3.4"),
        (None, 10, "452 4.3.1 no room: channels.mail.spool_mb"),
    ],
)
def test_each_failure_has_a_reply_of_its_own(tmp_path, failure, most, reply):
    taking = desk(tmp_path, failure, most).take("ann@example.com", TO, letter(1).as_bytes())
    assert asyncio.run(taking).startswith(reply)


def test_a_message_is_kept_as_it_came_for_its_owner_alone(tmp_path):
    found, content = desk(tmp_path), letter(1).as_bytes()
    asyncio.run(found.take("ann@example.com", TO, content))
    [arrival] = found._conversations.taken
    name = arrival.message.extra["raw"]
    assert found.spool.read(name) == content
    assert found.spool.read("../../etc/passwd") is None
    path = tmp_path / "mail" / f"{name}.eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_old_is_removed_and_makes_room(tmp_path):
    spool = Spool(tmp_path, 100, DAY_S)
    spool.keep("a" * 64, b"x" * 80)
    with pytest.raises(SpoolFull):
        spool.keep("b" * 64, b"x" * 80)
    path = tmp_path / f"{'a' * 64}.eml"
    old = path.stat().st_mtime - 2 * DAY_S
    os.utime(path, (old, old))
    spool.sweep(old + 2 * DAY_S)
    assert (spool.used, spool.read("a" * 64)) == (0, None)
    spool.keep("b" * 64, b"x" * 80)


def served(found, play):
    """Play with a port that this desk serves."""

    async def main():
        failed = []
        connections = MailConnections(found, failed.append)
        server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await asyncio.to_thread(play, port, SimpleNamespace(failed=failed))
        finally:
            connections.cut_off()
            server.close()
            await server.wait_closed()

    return asyncio.run(main())


def test_under_overload_nothing_new_begins(tmp_path):
    def play(port, _):
        with smtplib.SMTP("127.0.0.1", port, "x", 10) as smtp:
            smtp.ehlo()
            return smtp.mail("ann@example.com")

    assert served(desk(tmp_path, overload="too busy"), play) == (421, b"4.3.2 too busy")


def test_a_fault_of_ours_is_told_and_makes_the_sender_try_again(tmp_path):
    def play(port, seen):
        with smtplib.SMTP("127.0.0.1", port, "x", 10) as smtp:
            smtp.ehlo()
            smtp.mail("ann@example.com")
            smtp.rcpt("support@example.com")
            return smtp.data(letter(1).as_bytes())[0], list(map(str, seen.failed))

    assert served(desk(tmp_path, RuntimeError("boom")), play) == (451, ["boom"])
