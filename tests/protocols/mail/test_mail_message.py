"""A mail message is read within limits, whatever it is."""

import contextlib
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mail.message import MailLimits, MailRefused, read
from protocols.mail.text import decoded_header, text_of

LIMITS = MailLimits()
HEAD = b"From: Ann <ann@example.com>\r\nMessage-ID: <1@example.com>\r\n"


def message(**headers):
    made = EmailMessage()
    made["From"] = "Ann <ann@example.com>"
    made["Subject"] = "Réclamation"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content("bonjour\n")
    return made


def refused(content, limits=LIMITS):
    with pytest.raises(MailRefused) as told:
        read(content, limits)
    return told.value.rule, told.value.reply


def test_a_plain_message_says_who_what_and_which_it_answers():
    mail = read(
        message(Message_ID="<2@x>", In_Reply_To="<1@x>", References="<0@x> <1@x>").as_bytes(),
        LIMITS,
    )
    assert (mail.id, mail.sender, mail.subject) == ("<2@x>", "ann@example.com", "Réclamation")
    assert (mail.text, mail.cut, mail.answers) == ("bonjour", False, ("<1@x>", "<0@x>"))


def test_attachments_are_named_and_measured_and_their_content_is_left_out():
    made = message()
    made.add_attachment(b"x" * 1_000, maintype="application", subtype="pdf", filename="é.pdf")
    [attachment] = read(made.as_bytes(), LIMITS).attachments
    assert (attachment.type, attachment.bytes) == ("application/pdf", 1_000)
    assert attachment.name


def test_of_a_page_the_words_are_taken_and_no_scripts():
    page = b"<html><head><title>t</title></head><p>Hello<br>you<script>alert(1)</script></p>"
    mail = read(HEAD + b"Content-Type: text/html\r\n\r\n" + page, LIMITS)
    assert mail.text == "Hello\nyou"


def test_a_message_without_an_id_gets_one_that_is_always_the_same():
    first, second = (read(b"Subject: x\r\n\r\nhello", LIMITS).id for _ in range(2))
    assert first == second != read(b"Subject: x\r\n\r\nhallo", LIMITS).id


def test_long_text_is_cut_and_says_so():
    mail = read(HEAD + b"\r\n" + b"word " * 10_000, LIMITS)
    assert mail.cut
    assert len(mail.text) == LIMITS.text_chars


@pytest.mark.parametrize("said", ["auto-replied", "auto-generated; x=1", "AUTO-NOTIFIED"])
def test_what_no_person_has_written_is_refused(said):
    assert refused(message(Auto_Submitted=said).as_bytes())[0] == "automatic"


def test_auto_submitted_no_is_a_persons():
    assert read(message(Auto_Submitted="no").as_bytes(), LIMITS).text == "bonjour"


def test_what_goes_round_is_refused():
    content = b"Received: by x\r\n" * 51 + HEAD + b"\r\n"
    assert refused(content) == ("loop", "554 5.4.6 more than 50 Received headers: a loop")


def test_each_limit_is_named():
    assert refused(b"X: y\r\n" * 201 + b"\r\n")[0] == "headers"
    assert refused(b"X: " + b"y" * 9_000 + b"\r\n\r\n")[0] == "header-bytes"
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(12)
    )
    assert refused(nested + b"\r\nx")[0] == "depth"
    deep = b"Content-Type: message/rfc822\r\n\r\n" * 5_000
    assert refused(deep)[0] == "parts"
    flat = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 101
    assert refused(flat)[0] == "parts"
    few = MailLimits(max_attachments=1, max_attachment_bytes=1_024)
    made = message()
    for _ in range(2):
        made.add_attachment(b"x", maintype="image", subtype="png")
    assert refused(made.as_bytes(), few)[0] == "attachments"
    made = message()
    made.add_attachment(b"x" * 2_000, maintype="image", subtype="png")
    assert refused(made.as_bytes(), few)[0] == "attachment-bytes"


@pytest.mark.parametrize(
    "value", ["=?utf-8?b?w?=", "=?x-nothing?q?=ff?=", "=?utf-8?q?=C3=A9?=", "=?", "\udcff"]
)
def test_a_wrong_encoded_word_is_text(value):
    assert "\ud800" not in decoded_header(value)


@pytest.mark.parametrize("charset", ["zlib", "rot13", "iso-8859-99", "unicode_escape", ""])
def test_what_is_no_charset_is_read_as_utf_8(charset):
    assert text_of("é".encode(), "text/plain", charset) == "é"


LINES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Type: text/plain; charset*0*=x''%ff",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: uuencode",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Disposition: attachment; filename*=utf-8''%E2%82",
        b"Subject: =?utf-8?b?////?=",
        b"From: (((((((",
        b"References: <<>><a@b>",
        b"--b",
        b"--b--",
        b"begin 644 x",
        b"",
        b" folded",
    ]
)


@given(st.lists(LINES | st.binary(max_size=40), max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_message_or_refused_by_name(lines):
    with contextlib.suppress(MailRefused):
        mail = read(b"\r\n".join(lines), LIMITS)
        (mail.subject + mail.text + mail.sender).encode()
        assert len(mail.text) <= LIMITS.text_chars
