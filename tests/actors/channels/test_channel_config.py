"""What `[channels]` may say."""

import pytest

from actors.config import ConfigInvalid, load

SOURCE = """
[channels.social.sources.birds]
rp = "sales"
secrets = {secrets}
"""


def mistakes(tmp_path, text):
    file = tmp_path / "vigie.toml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as refused:
        load(file, {})
    return {mistake.key: str(mistake) for mistake in refused.value.mistakes}


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("[channels.mail]\nenabled = true", "channels.mail.recipients", "one at least"),
        ("[channels.chat]\nenabled = true", "channels.chat.origins", "one at least"),
        ("[channels.social]\nenabled = true", "channels.social.sources", "one at least"),
        ("[channels.mail]\nport = 8080", "channels.mail.port", "http.port on the same host"),
        ('[channels.mail.recipients]\n"A@b.c" = "x"', "channels.mail.recipients.A@b.c", "lower"),
        ('[channels.chat]\norigins = ["x"]', "channels.chat.origins[0]", "an origin"),
        ("[channels.chat]\nticket_s = 20_000.0", "channels.chat.ticket_s", "token_s"),
        (SOURCE.format(secrets="[]"), "channels.social.sources", "one or two secrets"),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path, text, key, rule):
    assert rule in mistakes(tmp_path, text)[key]


def test_a_secret_is_never_shown(tmp_path):
    text = mistakes(tmp_path, SOURCE.format(secrets='["too short"]'))
    assert "too short" not in str(text)
