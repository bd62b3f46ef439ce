"""Mail by SMTP into a real node: real sockets, real messages, hostile peers, a killed node."""

import smtplib
import socket
import threading
from email.policy import SMTP

import pytest
from channel_node import MAIL, ChannelNode, letter

pytestmark = pytest.mark.system

LIMITS = """
max_connections = 6
max_connections_per_host = 5
max_recipients = 2
max_message_bytes = 65536
command_timeout_s = 1.0
data_timeout_s = 2.0
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    node = ChannelNode(tmp_path_factory.mktemp("mail"), MAIL.format(limits=LIMITS))
    yield node
    node.close()


def raw(node):
    peer = socket.create_connection(("127.0.0.1", node.port("mail")), 10)
    assert peer.recv(1_000).startswith(b"220 localhost vigie")
    return peer


def rest(peer):
    """All that comes until the end."""
    data = b""
    try:
        while more := peer.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


def test_a_mail_opens_a_session_that_is_routed_as_a_call(node):
    [session] = node.mail(letter("first"))
    view = node.routed(session)
    assert (view["media"], view["ani"], view["ani_type"]) == ("mail", "ann@example.com", "unknown")
    assert (view["dnis"], view["rp"]) == ("support@example.com", "support")
    assert view["routing"]["target"] == "7010"
    assert view["ud"] == {
        "subject": "Facture",
        "from": "ann@example.com",
        "to": "support@example.com",
    }
    [step] = view["journey"]
    assert step["data"]["text"] == "Bonjour"
    assert (step["data"]["n"], step["data"]["from"]) == (1, "customer")


def test_a_session_is_found_by_the_address(node):
    node.mail(letter("found"))
    status, found = node.ask("GET", "/api/v1/sessions?ani=ann@example.com&open=1")
    assert status == 200
    assert {view["media"] for view in found["items"]} == {"mail"}


def test_a_message_that_comes_again_opens_no_other_session(node):
    assert node.mail(letter("twice")) == node.mail(letter("twice"))


def test_another_message_under_the_same_id_is_not_lost(node):
    assert node.mail(letter("same", "one")) != node.mail(letter("same", "two"))


def test_an_answer_joins_the_open_session_and_after_its_end_opens_another(node):
    [session] = node.mail(letter("question"))
    answer = letter("answer", "encore", References="<unknown@x> <question@example.com>")
    assert node.mail(answer) == [session]
    texts = [step["data"]["text"] for step in node.session(session)["journey"]]
    assert texts == ["Bonjour", "encore"]
    assert node.mail(answer) == [session]
    assert len(node.session(session)["journey"]) == 2
    node.ask("POST", f"/api/v1/sessions/{session}/close", {})
    later = letter("later", "merci", In_Reply_To="<question@example.com>")
    assert node.mail(later) != [session]


def test_a_message_for_two_routing_points_opens_a_session_at_each(node):
    to = ("support@example.com", "help@example.com")
    assert len(node.mail(letter("one-point"), to=to)) == 1
    to = ("support@example.com", "sales@example.com")
    assert len(set(node.mail(letter("two-points"), to=to))) == 2


@pytest.mark.parametrize(
    ("content", "sender", "code", "word"),
    [
        (letter("auto", Auto_Submitted="auto-replied"), "ann@example.com", 550, b"Auto-Submitted"),
        (letter("bounce"), "", 550, b"empty return path"),
        (letter("long", "x\n" * 40_000), "ann@example.com", 552, b""),
        (b"Received: x\r\n" * 51 + b"\r\n", "ann@example.com", 554, b"a loop"),
    ],
)
def test_a_message_that_breaks_a_rule_is_refused_by_its_name(node, content, sender, code, word):
    with node.smtp() as smtp:
        smtp.helo()
        smtp.mail(sender)
        smtp.rcpt("support@example.com")
        said, text = smtp.data(
            content if isinstance(content, bytes) else content.as_bytes(policy=SMTP)
        )
    assert said == code
    assert word in text


def test_recipients_are_known_and_not_too_many(node):
    with node.smtp() as smtp:
        smtp.ehlo()
        assert smtp.mail("ann@example.com", ["size=70000"])[0] == 552
        smtp.mail("ann@example.com")
        code, text = smtp.rcpt("nobody@example.com")
        assert (code, b"no such mailbox" in text) == (550, True)
        assert [smtp.rcpt("SUPPORT@example.com")[0] for _ in range(3)] == [250, 250, 452]


def test_one_connection_more_than_a_host_may_have_gets_421(node):
    peers = [raw(node) for _ in range(5)]
    extra = socket.create_connection(("127.0.0.1", node.port("mail")), 10)
    assert rest(extra).startswith(b"421 4.7.0 channels.mail.max_connections_per_host is 5")
    for peer in [*peers, extra]:
        peer.close()


def test_who_says_nothing_or_one_byte_at_a_time_is_sent_away(node):
    silent, slow = raw(node), raw(node)
    slow.sendall(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@example.com>\r\nDATA\r\nX")
    assert rest(silent) == b"421 4.4.2 nothing within 1.0 s\r\n"
    assert rest(slow).endswith(b"421 4.4.2 nothing within 2.0 s\r\n")
    for peer in (silent, slow):
        peer.close()


def test_a_line_without_an_end_and_bytes_that_are_no_commands_hold_nobody_up(node):
    endless = raw(node)
    endless.sendall(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@example.com>\r\nDATA\r\n")
    sending = threading.Thread(target=_flood, args=(endless,))
    sending.start()
    assert b"552 5.3.4" in rest(endless)
    endless.close()
    sending.join()
    binary = raw(node)
    binary.sendall(b"\x00\xff\x16\x03\x01\r\n" * 3 + b"\r\n" + b"MAIL\r\nQUIT\r\n")
    assert rest(binary).count(b"\r\n") >= 5
    binary.close()
    assert node.mail(letter("after the storm"))


def _flood(peer):
    try:
        for _ in range(100):
            peer.sendall(b"x" * 65_536)
    except OSError:
        return


def test_what_was_refused_is_counted_by_its_rule(node):
    with node.smtp() as smtp:
        smtp.ehlo()
        smtp.mail("ann@example.com")
        smtp.rcpt("nobody@example.com")
    _, text = node.ask("GET", "/metrics")
    line = b'vigie_channel_messages_total{channel="mail",outcome="refused-recipient"}'
    assert line in text


def test_a_mail_server_that_is_killed_is_back_and_calls_have_not_noticed(node):
    path = "/api/v1/actors/node%2FcallSup%2Frouter"
    before = node.ask("GET", path)[1]["incarnation"]
    killed, _ = node.ask(
        "POST", "/api/v1/actors/node%2FchannelSup%2FmailServer/kill", {"reason": "a test"}
    )
    assert killed == 200
    assert node.mail(letter("back"))
    assert node.ask("GET", path)[1]["incarnation"] == before


def test_what_was_answered_250_survives_the_death_of_the_node(tmp_path):
    node = ChannelNode(tmp_path, MAIL.format(limits=""))
    try:
        answered = _sent_until_killed(node)
        node.start()
        assert answered
        for number, session in answered.items():
            view = node.routed(session)
            assert view["journey"][0]["data"]["id"] == f"<{number}@example.com>"
            assert node.mail(letter(number)) == [session]
    finally:
        node.close()


def _sent_until_killed(node):
    """Send from two threads until the node is killed; return what was answered."""
    answered = {}

    def send(first):
        for number in range(first, first + 1_000):
            try:
                [answered[number]] = node.mail(letter(number))
            except (OSError, smtplib.SMTPException, AssertionError):
                return

    senders = [threading.Thread(target=send, args=(first,)) for first in (0, 5_000)]
    for one in senders:
        one.start()
    node.until(lambda count: count >= 20, lambda: len(answered))
    node.kill()
    for one in senders:
        one.join()
    return answered
