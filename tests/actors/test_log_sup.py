"""The node's log: from `logging` and reports to the files, through full disks and kills."""

import json
import logging
import threading

import pytest

from actors import log_thread
from actors.log_bridge import LogBridge
from actors.log_handler import FORWARD
from actors.log_records import LogRecord
from actors.log_sup import LogSup
from actors.log_writer import Flush, LogSettings, LogWriter
from supervision import AddHandler, EventHandler, GenServer
from supervision.gen_event import WhichHandlers

_log = logging.getLogger("vigie.test")


@pytest.fixture
def settings(tmp_path):
    return LogSettings(directory=tmp_path / "traces", resource={"service.name": "vigie"})


def records(settings):
    files = sorted(settings.directory.glob("vigie.*jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def record_of(body):
    return LogRecord(timestamp="0", severity_text="INFO", severity_number=9, body=body)


def bodies(settings):
    return [record["Body"] for record in records(settings)]


async def written(node):
    """Have everything written that was logged before."""
    await node.call("logHandler", WhichHandlers())
    assert await node.call("logWriter", Flush()) is True


def writer_threads():
    return [thread for thread in threading.enumerate() if thread.name == "vigie-logs"]


def test_what_modules_log_is_in_the_file_when_it_is_flushed(on_node, settings):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        _log.info("call %s routed", "c-1")
        _log.debug("too fine")
        await written(node)

    on_node(scenario)
    (record,) = [one for one in records(settings) if "routed" in one["Body"]]
    assert record["Body"] == "call c-1 routed"
    assert record["InstrumentationScope"] == {"Name": "vigie.test"}
    assert "too fine" not in bodies(settings)


def test_other_threads_log_too(on_node, settings):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        thread = threading.Thread(target=_log.warning, args=("from afar",))
        thread.start()
        thread.join()
        await node.until(lambda: node.actor("logHandler").state[FORWARD].status()["forwarded"])
        await written(node)

    on_node(scenario)
    assert "from afar" in bodies(settings)


def test_a_log_call_that_cannot_be_formatted_harms_nobody(on_node, settings, capsys):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        (bridge,) = [one for one in logging.getLogger().handlers if isinstance(one, LogBridge)]
        bridge.emit(_log.makeRecord("x", logging.INFO, "x.py", 1, "%d", ("no number",), None))
        _log.info("still here")
        await written(node)

    on_node(scenario)
    assert "still here" in bodies(settings)
    assert "Logging error" in capsys.readouterr().err


class Fragile(GenServer):
    def handle_cast(self, request):
        raise RuntimeError("boom")


def test_a_crash_of_an_actor_is_in_the_file_with_its_stack(on_node, settings):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        address = await node.start(Fragile, name="fragile")
        node.cast(address, "now")
        await node.until(lambda: address.cell is None)
        await written(node)

    on_node(scenario)
    (crash,) = [one for one in records(settings) if one["SeverityText"] == "ERROR"]
    assert crash["Attributes"]["vigie.path"] == "fragile"
    assert "boom" in crash["Attributes"]["exception.stacktrace"]


def test_after_the_end_logging_is_as_it_was_before(on_node, settings):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))

    async def scenario(node):
        address = await node.start(LogSup, settings, "logSup")
        assert root.handlers != before[1]
        await node.stop(address)

    on_node(scenario)
    assert (root.level, list(root.handlers)) == before
    assert writer_threads() == []


def test_a_killed_writer_loses_no_acknowledged_line_and_its_thread_ends(on_node, settings):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        for life in range(5):
            for number in range(100):
                _log.info("%d-%d", life, number)
            await written(node)
            (thread,) = writer_threads()
            node.kill("logWriter")
            await node.until(lambda thread=thread: not thread.is_alive())
            await node.until(lambda: node.whereis("logWriter"))

    on_node(scenario)
    told = [body for body in bodies(settings) if body.count("-") == 1]
    assert told == [f"{life}-{number}" for life in range(5) for number in range(100)]


def test_a_killed_handler_listens_again(on_node, settings):
    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        node.kill("logHandler")
        await node.until(lambda: node.reported("supervisor", context="restarted"))
        _log.info("after the kill")
        await written(node)

    on_node(scenario)
    assert bodies(settings).count("after the kill") == 1


def test_a_disk_that_fails_is_reported_once_retried_and_loses_nothing(
    on_node, settings, monkeypatch
):
    monkeypatch.setattr(log_thread, "RETRY_MIN_S", 0.01)
    settings.directory.write_text("a file is in the way")

    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        _log.info("patience")
        (report,) = await node.until(lambda: node.reported("degraded", part="trace files"))
        assert report.data["why"] == "File exists"
        await node.until(lambda: node.actor("logWriter").status()["failures"] > 2)
        settings.directory.unlink()
        await node.until(lambda: node.reported("recovered", part="trace files"))
        await written(node)
        assert node.actor("logWriter").status()["failing"] == ""
        assert len(node.reported("degraded")) == 1

    on_node(scenario)
    assert "patience" in bodies(settings)


def test_a_disk_that_never_comes_back_does_not_hold_up_the_end(on_node, settings):
    settings.directory.write_text("a file is in the way")

    async def scenario(node):
        address = await node.start(LogWriter, settings, "logWriter")
        node.cast(address, record_of("x"))
        await node.until(lambda: node.actor(address).status()["failures"])
        await node.stop(address)

    on_node(scenario)
    assert writer_threads() == []


def test_what_finds_the_queue_full_is_counted_and_the_file_says_so(on_node, tmp_path):
    settings = LogSettings(directory=tmp_path / "traces", resource={}, queue_limit=10)
    settings.directory.write_text("a file is in the way")

    async def scenario(node):
        address = await node.start(LogWriter, settings, "logWriter")
        node.cast(address, record_of("first"))
        await node.until(lambda: node.actor(address).status()["failing"])
        for number in range(30):
            node.cast(address, record_of(str(number)))
        await node.until(lambda: node.actor(address).status()["dropped"])
        settings.directory.unlink()
        await node.call(address, Flush())
        return node.actor(address).status()

    status = on_node(scenario)
    assert (status["dropped"], status["lost"]) == (20, 0)
    told = bodies(settings)
    assert told[:11] == ["first", *map(str, range(10))]
    assert told[11:] == ["20 records were dropped here: the disk was slower than the node"]


class Listener(EventHandler):
    def __init__(self, heard):
        self.heard = heard

    def handle_event(self, event):
        self.heard.append(event)


class Broken(EventHandler):
    def handle_event(self, event):
        raise RuntimeError("this handler is broken")


def test_another_handler_hears_every_record_and_a_broken_one_leaves_the_file_alone(
    on_node, settings
):
    heard = []

    async def scenario(node):
        await node.start(LogSup, settings, "logSup")
        assert await node.call("logHandler", AddHandler("broken", Broken())) is True
        assert await node.call("logHandler", AddHandler("listener", Listener(heard))) is True
        _log.info("to everyone")
        await written(node)
        assert await node.call("logHandler", WhichHandlers()) == [FORWARD, "listener"]

    on_node(scenario)
    assert "to everyone" in bodies(settings)
    assert "to everyone" in [record.body for record in heard if hasattr(record, "body")]
