"""What of the configuration bounds a takeover."""

import asyncio

from shadow_kit import WholeNode

from actors.config import Config, ReleaseConfig
from actors.takeover.parts import giving_parts, limits


def test_the_last_commit_may_take_as_long_as_the_freeze(tmp_path):
    async def run():
        config = Config(release=ReleaseConfig(freeze_timeout_s=7.5))
        node = WholeNode(tmp_path, config, waiting=True)
        try:
            [part] = [one for one in giving_parts(node.assembly) if one.name == "journal"]
            assert part._patience_s == 7.5
        finally:
            for one in node.listeners.values():
                one.close()

    asyncio.run(run())


def test_the_freeze_is_bounded_by_a_key_that_is_named_where_it_is_over():
    bounds = limits(ReleaseConfig(freeze_timeout_s=7.5))
    assert (bounds.freeze_s, bounds.freeze_key) == (7.5, "release.freeze_timeout_s")
