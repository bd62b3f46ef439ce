"""`[csta]`: what holds for CTI peers in framing B besides `[cti]`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=604_800)]
ApplicationID = Annotated[
    str, Meta(pattern=r"^[ -~]{1,64}\Z", description="1 to 64 printable characters of ASCII")
]


class CstaXmlConfig(Struct, frozen=True, kw_only=True):
    """`[csta.xml]`: what one document may have."""

    max_depth: Annotated[int, Meta(ge=8, le=200)] = 16
    max_elements: Annotated[int, Meta(ge=50, le=65_535)] = 1_000
    max_attributes: Annotated[int, Meta(ge=4, le=1_000)] = 32
    max_attribute_chars: Annotated[int, Meta(ge=128, le=65_535)] = 1_024
    max_text_chars: Annotated[int, Meta(ge=1_024, le=65_535)] = 16_384
    max_names: Count = 10_000


class CstaSection(Struct, frozen=True, kw_only=True):
    """`[csta]`: the links of CTI peers that speak CSTA III XML."""

    max_message_bytes: Annotated[int, Meta(ge=8_192, le=65_535)] = 65_535
    default_side: Literal["primary", "backup", "none"] = "primary"
    applications: dict[ApplicationID, Literal["primary", "backup"]] = field(default_factory=dict)
    session_s: Seconds = 180
    min_session_s: Seconds = 10
    max_session_s: Seconds = 86_400
    reply_timeout_ms: Annotated[int, Meta(ge=1, le=1_000)] = 1
    max_dialogues: Count = 10_000
    dialogue_s: Seconds = 600
    max_events: Count = 10_000
    max_monitors: Annotated[int, Meta(ge=1, le=4_000)] = 1_000
    max_registrations: Annotated[int, Meta(ge=1, le=1_000)] = 1_000
    deflect: tuple[ApplicationID, ...] = ()
    xml: CstaXmlConfig = CstaXmlConfig()
