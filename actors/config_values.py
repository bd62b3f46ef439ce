"""Values of the configuration: what a count, a time, a name or a target may be."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
Seconds = Annotated[float, Meta(ge=0.01, le=86_400)]
Bytes = Annotated[int, Meta(ge=1_024, le=1_073_741_824)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Host = Annotated[
    str, Meta(pattern=r"^[0-9A-Za-z.:_-]{1,253}\Z", description="a host name or an IP address")
]
Target = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+@._:-]{1,64}\Z",
        description="1 to 64 of the characters 0-9 A-Z a-z * # + @ . _ : -",
    ),
]
RoutingPointName = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+._-]{1,64}\Z",
        description="1 to 64 of the characters 0-9 A-Z a-z * # + . _ -",
    ),
]
Application = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z_-]{1,64}\Z", description="a name of 1 to 64 letters, digits, _ or -"
    ),
]
Share = Annotated[float, Meta(ge=0, le=1)]
ProbeWord = Annotated[str, Meta(min_length=1, max_length=4_096)]
SendField = Annotated[
    str,
    Meta(
        pattern=(
            r"^(session|rev|state|call|ani|ani_type|dnis|digits|lang|media|platform|rp|auth_level"
            r"|services|routing\.(target|rtype|reason)"
            r"|customer(\.[0-9A-Za-z_-]{1,32})?|ud\.[0-9A-Za-z_.-]{1,32})\Z"
        ),
        description="a field of a session, services, routing.target, customer.KEY or ud.KEY",
    ),
]
Dsn = Annotated[
    str,
    Meta(
        pattern=r"^(postgres(ql)?://.*)?\Z",
        description="empty or a URL that starts with postgresql://",
        extra={"secret": True},
    ),
]
RouteType = Literal[
    "default",
    "label",
    "direct",
    "direct_agent",
    "overwrite_dnis",
    "priority",
    "reject",
    "announcement",
    "disconnect",
]
