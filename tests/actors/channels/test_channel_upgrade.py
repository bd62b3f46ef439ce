"""An upgrade under mail, chat and webhooks: what was answered is there, all come back."""

import asyncio
import json

import aiohttp
import pytest
from channel_node import CHAT, MAIL, SOCIAL, ChannelNode, Visitor, event, letter, signed

pytestmark = pytest.mark.system


@pytest.fixture
def node(tmp_path):
    more = "".join(part.format(limits="") for part in (MAIL, CHAT, SOCIAL))
    node = ChannelNode(tmp_path, more)
    yield node
    node.close()


def post(node, number):
    body = json.dumps({"events": [event(number)]}).encode()
    status, said = node.ask("POST", "/channels/social/birds", body, signed(body), token=False)
    assert status == 200, said
    return said["events"][0]


@pytest.mark.parametrize("back", [False, True], ids=["it serves", "it is off"])
def test_channels_go_on_in_the_process_that_takes_over(node, back):
    [session] = node.mail(letter("before"))
    known = post(node, 1)["session"]

    async def main():
        async with aiohttp.ClientSession() as http:
            visitor = await Visitor(node, http).begin()
            assert (await visitor.say("hello"))["n"] == 1
            smtp = await asyncio.to_thread(node.smtp)
            await asyncio.to_thread(smtp.ehlo)
            taking = asyncio.create_task(asyncio.to_thread(node.take_over, back=back))
            assert await visitor.refused() == ("restart", 1012)
            await taking
            assert smtp.sock.recv(1_000).startswith(b"421 4.3.2 the service is restarting")
            smtp.close()
            await visitor.resume()
            assert (visitor.hello["resumed"], visitor.hello["seq"]) == (True, 1)
            assert (await visitor.say("again"))["n"] == 2

    asyncio.run(main())
    assert node.mail(letter("before")) == [session]
    answer = letter("answer", References="<before@example.com>")
    assert node.mail(answer) == [session]
    assert node.mail(letter("after")) != [session]
    assert (post(node, 1)["outcome"], post(node, 1)["session"]) == ("repeated", known)
    assert post(node, 2)["outcome"] == "joined"
    text = node.ask("GET", "/metrics")[1].decode()
    assert 'vigie_channel_messages_total{channel="mail",outcome="opened"} 2.0' in text
