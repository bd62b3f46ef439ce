"""Signatures of webhooks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http.signature import SignatureRefused, sign, verify

OLD, NEW = "old-secret-0123456", "new-secret-0123456"
NOW = 1_800_000_000


def check(timestamp, signature, body=b"{}", secrets=(NEW, OLD)):
    verify(secrets, timestamp, signature, body, wall=NOW + 0.5, max_age_s=300)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_two_secrets_hold_while_one_gives_way_to_the_other(secret):
    check(str(NOW), sign(secret, NOW, b"{}"))


@pytest.mark.parametrize("off", [-301, 301])
def test_what_was_kept_for_later_is_refused(off):
    with pytest.raises(SignatureRefused, match="within 300 seconds of now"):
        check(str(NOW + off), sign(NEW, NOW + off, b"{}"))


@pytest.mark.parametrize("stamp", [None, "", "-1", "1e9", "1" * 13, "١٢"])
def test_a_time_that_is_none_is_refused(stamp):
    with pytest.raises(SignatureRefused, match="X-Vigie-Timestamp"):
        check(stamp, sign(NEW, NOW, b"{}"))


@given(st.text(max_size=100) | st.none(), st.binary(max_size=100))
def test_nothing_but_the_right_signature_passes(signature, body):
    with pytest.raises(SignatureRefused, match="X-Vigie-Signature"):
        check(str(NOW), signature, body)


def test_a_signature_is_of_its_body_and_its_time():
    signed = sign(NEW, NOW, b"{}")
    for stamp, body in ((NOW, b"{ }"), (NOW + 1, b"{}")):
        with pytest.raises(SignatureRefused, match="HMAC"):
            check(str(stamp), signed, body)
