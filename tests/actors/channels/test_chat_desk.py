"""Tickets and tokens of the web chat, in virtual time."""

import stat
from types import SimpleNamespace

import pytest

from actors.channels.chat_desk import ChatDesk, secret_of
from actors.channels.chat_frames import ChatAdmission, ChatClosed, Hello
from actors.channels.counts import ChannelCounts
from actors.channels_config import ChatConfig

ANYBODY = ChatAdmission(call="", rp="support", ani="", expires=0.0)


class Wall:
    at = 1_800_000_000.0

    def wall(self):
        return self.at


@pytest.fixture
def desk(tmp_path):
    conversations = SimpleNamespace()
    counts = ChannelCounts("chat")
    return ChatDesk(ChatConfig(), conversations, counts, lambda: "", Wall(), tmp_path)


def test_a_ticket_is_for_one_conversation_and_a_token_for_the_same(desk):
    first, second = desk.ticket(ANYBODY)[0], desk.ticket(ANYBODY)[0]
    admitted = desk.admitted(Hello(ticket=first))
    assert admitted.call != desk.admitted(Hello(ticket=second)).call
    assert admitted.ani.startswith("chat:")
    assert desk.admitted(Hello(token=desk.token(admitted))).call == admitted.call


def test_tickets_and_tokens_expire(desk):
    ticket, expires = desk.ticket(ANYBODY)
    token = desk.token(desk.admitted(Hello(ticket=ticket)))
    desk.clock.at = expires + 1
    with pytest.raises(ChatClosed, match="ticket-expired"):
        desk.admitted(Hello(ticket=ticket))
    desk.admitted(Hello(token=token))
    desk.clock.at += desk.config.token_s
    with pytest.raises(ChatClosed, match="token-expired"):
        desk.admitted(Hello(token=token))


def test_one_is_not_the_other_and_a_changed_one_is_neither(desk):
    ticket, _ = desk.ticket(ANYBODY)
    body, mac = ticket.split(".")
    for hello in (
        Hello(token=ticket),
        Hello(ticket=f"{body}A.{mac}"),
        Hello(ticket=f"{body}.{mac[::-1]}"),
        Hello(ticket="é.é"),
        Hello(ticket="x" * 5_000),
        Hello(ticket="..."),
    ):
        with pytest.raises(ChatClosed, match="-invalid"):
            desk.admitted(hello)


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    file = tmp_path / "channels.key"
    assert secret_of(file) == secret_of(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("abcd")
    with pytest.raises(ValueError, match="32 bytes"):
        secret_of(file)
