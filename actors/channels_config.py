"""`[channels]` of the configuration: mail, web chat and social media; `actors.config` reads it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from actors.config_values import Application, Bytes, Host, Port, RoutingPointName, Seconds

Few = Annotated[int, Meta(ge=1, le=10_000)]
MailAddress = Annotated[
    str,
    Meta(
        pattern=r"^[^\s@<>\"A-Z]{1,64}@[^\s@<>\"A-Z]{1,189}\Z",
        description="a mail address in lower case",
    ),
]


class MailConfig(Struct, frozen=True, kw_only=True):
    """`[channels.mail]`: mail that comes in by SMTP."""

    enabled: bool = False
    host: Host = "127.0.0.1"
    port: Port = 2525
    hostname: Host = "localhost"
    recipients: dict[MailAddress, RoutingPointName] = field(default_factory=dict)
    max_connections: Few = 32
    max_connections_per_host: Few = 8
    max_recipients: Few = 100
    max_message_bytes: Annotated[int, Meta(ge=65_536, le=104_857_600)] = 10_485_760
    max_headers: Few = 200
    max_header_bytes: Annotated[int, Meta(ge=998, le=65_536)] = 8_192
    max_parts: Annotated[int, Meta(ge=1, le=200)] = 100
    max_depth: Annotated[int, Meta(ge=1, le=50)] = 10
    max_attachments: Few = 20
    max_attachment_bytes: Bytes = 10_485_760
    max_received: Few = 50
    text_chars: Annotated[int, Meta(ge=1, le=65_536)] = 2_000
    command_timeout_s: Seconds = 60.0
    data_timeout_s: Seconds = 300.0
    spool_mb: Annotated[int, Meta(ge=1, le=1_048_576)] = 1_024
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 30


Secret = Annotated[
    str,
    Meta(
        pattern=r"^[\x21-\x7e]{16,256}\Z",
        description="16 to 256 visible ASCII characters",
        extra={"secret": True},
    ),
]
OptionalSecret = Annotated[
    str,
    Meta(
        pattern=r"^([\x21-\x7e]{16,256})?\Z",
        description="empty, or 16 to 256 visible ASCII characters",
        extra={"secret": True},
    ),
]


class SocialSource(Struct, frozen=True, kw_only=True):
    """`[channels.social.sources.NAME]`: a platform, or what stands between one and vigie."""

    rp: RoutingPointName
    secrets: tuple[Secret, ...]
    verify_token: OptionalSecret = ""
    numbers: bool = False


class SocialConfig(Struct, frozen=True, kw_only=True):
    """`[channels.social]`: signed webhooks of social media."""

    enabled: bool = False
    max_body_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576)] = 65_536
    max_age_s: Annotated[float, Meta(ge=1, le=3_600)] = 300.0
    max_events_per_s: Few = 200
    sources: dict[Application, SocialSource] = field(default_factory=dict)


Origin = Annotated[
    str,
    Meta(
        pattern=r"^https?://[0-9a-z.:\[\]-]{1,253}\Z",
        description="an origin, such as https://www.example.com, in lower case, without a path",
    ),
]


class ChatConfig(Struct, frozen=True, kw_only=True):
    """`[channels.chat]`: web chat, a WebSocket on the HTTP port."""

    enabled: bool = False
    origins: tuple[Origin, ...] = ()
    max_connections: Few = 1_000
    max_frame_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576)] = 16_384
    max_frames_per_s: Few = 10
    hello_timeout_s: Seconds = 10.0
    ping_s: Seconds = 30.0
    ticket_s: Seconds = 60.0
    token_s: Seconds = 14_400.0


class ChannelsConfig(Struct, frozen=True, kw_only=True):
    """`[channels]`: what opens sessions besides telephones."""

    ask_again_s: Seconds = 30.0
    mail: MailConfig = MailConfig()
    chat: ChatConfig = ChatConfig()
    social: SocialConfig = SocialConfig()
