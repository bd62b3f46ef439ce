import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from actors.releases import signing
from supervision.anchor.messages import ExitCode, Refusal


@pytest.fixture
def key(tmp_path):
    """A new private key."""
    file = tmp_path / "release.pem"
    signing.make_key(file)
    return file


def test_what_a_trusted_key_has_signed_is_believed(key):
    public = signing.public_key(key)
    assert signing.verify(b"data", signing.sign(key, b"data"), [public]) == public


def test_a_key_is_for_its_owner_alone_and_is_not_made_over_another(key):
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(Refusal, match="cannot be written"):
        signing.make_key(key)


def test_a_signature_of_other_bytes_is_refused(key):
    with pytest.raises(Refusal, match="not of this manifest") as refused:
        signing.verify(b"data", signing.sign(key, b"dat"), [signing.public_key(key)])
    assert refused.value.code is ExitCode.NOT_PERMITTED


def test_a_signature_of_a_key_that_nobody_trusts_is_refused(key, tmp_path):
    other = signing.make_key(tmp_path / "other.pem")
    with pytest.raises(Refusal, match=r"is not in release\.trusted_keys"):
        signing.verify(b"data", signing.sign(key, b"data"), [other])


@pytest.mark.parametrize("signature", [None, b"", b"{}", b'{"key": "?", "signature": ""}'])
def test_what_is_not_signed_is_refused(key, signature):
    with pytest.raises(Refusal) as refused:
        signing.verify(b"data", signature, [signing.public_key(key)])
    assert refused.value.code is ExitCode.NOT_PERMITTED


@pytest.mark.parametrize("text", ["?", "AAAA", ""])
def test_a_trusted_key_that_is_none_is_a_mistake_of_the_configuration(key, text):
    with pytest.raises(Refusal, match="32 bytes, base64") as refused:
        signing.verify(b"data", signing.sign(key, b"data"), [text])
    assert refused.value.code is ExitCode.USAGE


def test_a_key_of_another_kind_is_refused(tmp_path):
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = tmp_path / "other.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    with pytest.raises(Refusal, match="an ed25519 private key in PEM is required"):
        signing.sign(file, b"data")


@pytest.mark.parametrize("text", [b"", b"no key"])
def test_a_file_that_is_no_key_is_refused(tmp_path, text):
    file = tmp_path / "key.pem"
    file.write_bytes(text)
    with pytest.raises(Refusal, match="is no private key"):
        signing.sign(file, b"data")
    with pytest.raises(Refusal, match="cannot be read"):
        signing.sign(tmp_path / "nowhere", b"data")


def test_keys_that_openssl_makes_are_understood(tmp_path):
    file = tmp_path / "key.pem"
    private = ed25519.Ed25519PrivateKey.generate()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(private.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    assert signing.verify(b"d", signing.sign(file, b"d"), [signing.public_key(file)])


def test_without_the_library_a_signature_is_refused_with_the_way_to_get_it(key, monkeypatch):
    signed, public = signing.sign(key, b"data"), signing.public_key(key)
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(Refusal, match=r"vigie\[signatures\]"):
        signing.verify(b"data", signed, [public])


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_wrong_signature_is_refused_whether_one_is_required_or_not(key, required, known):
    trusted = [signing.public_key(key)] if known else []
    wrong = signing.sign(key, b"other data")
    for signature in (wrong, b"{}", b'{"key": "AAAA", "signature": ""}'):
        with pytest.raises(Refusal) as refused:
            signing.judge(b"data", signature, trusted, required=required)
        assert refused.value.code is ExitCode.NOT_PERMITTED
        if not required:
            assert "signed releases only" not in refused.value.msg


def test_where_none_is_required_another_key_is_a_warning_and_no_signature_is_nothing(key, tmp_path):
    public, other = signing.public_key(key), signing.make_key(tmp_path / "other.pem")
    signed = signing.sign(key, b"data")
    assert signing.judge(b"data", None, [other], required=False) == (None, "")
    assert signing.judge(b"data", signed, [public], required=False) == (public, "")
    assert signing.judge(b"data", signed, [], required=False) == (None, "")
    by, warning = signing.judge(b"data", signed, [other], required=False)
    assert by is None
    assert warning == f"the key {public} that signed it is not in release.trusted_keys"


def test_a_node_without_the_library_that_does_not_insist_says_what_it_did_not_look_at(
    key, monkeypatch
):
    signed = signing.sign(key, b"data")
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives", None)
    by, warning = signing.judge(b"data", signed, [], required=False)
    assert by is None
    assert "was not looked at" in warning
