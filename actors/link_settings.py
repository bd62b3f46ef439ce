"""From the configuration to what the links of both framings are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.csta.link_state import CstaConfig
from protocols.csta.xml import XmlLimits
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes
from protocols.cti.parsing import MessageLimits

if TYPE_CHECKING:
    from actors.config import CtiConfig
    from actors.config_csta import CstaSection


def link_config(cti: CtiConfig, request_timeout_ms: int) -> LinkConfig:
    """What holds for each link.

    Args:
        cti: ``[cti]``.
        request_timeout_ms: that of ``[routing]``.
    """
    return LinkConfig(
        max_frame_bytes=cti.max_frame_bytes,
        handshake_timeout_ms=cti.handshake_timeout_ms,
        window=cti.window,
        held_frames=cti.held_frames,
        max_frames_per_s=cti.max_frames_per_s,
        write_buffer_bytes=cti.write_buffer_bytes,
        replay_frames=cti.replay_frames,
        replay_bytes=cti.replay_bytes,
        request_timeout_ms=request_timeout_ms,
        hb=HeartbeatTimes(
            interval_ms=cti.hb.interval_ms,
            timeout_ms=cti.hb.timeout_ms,
            retry_ms=cti.hb.retry_ms,
            limit=cti.hb.limit,
        ),
        messages=MessageLimits(min_reply_ms=cti.min_reply_ms),
    )


def csta_config(section: CstaSection) -> CstaConfig:
    """What holds for each link in framing B besides."""
    xml = section.xml
    return CstaConfig(
        max_message_bytes=section.max_message_bytes,
        xml=XmlLimits(
            max_depth=xml.max_depth,
            max_elements=xml.max_elements,
            max_attributes=xml.max_attributes,
            max_attribute_chars=xml.max_attribute_chars,
            max_text_chars=xml.max_text_chars,
        ),
        applications=dict(section.applications),
        default_side=None if section.default_side == "none" else section.default_side,
        session_s=section.session_s,
        min_session_s=section.min_session_s,
        max_session_s=section.max_session_s,
        reply_timeout_ms=section.reply_timeout_ms,
        max_dialogues=section.max_dialogues,
        dialogue_s=section.dialogue_s,
        max_events=section.max_events,
        max_monitors=section.max_monitors,
        max_registrations=section.max_registrations,
        deflect=frozenset(section.deflect),
    )
