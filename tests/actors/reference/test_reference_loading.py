"""Large files are read in a process of their own: on a real loop, with real processes."""

import asyncio
import subprocess
import sys

import msgspec
import pytest

from actors.reference.building import Limits
from actors.reference.live import Reference
from actors.reference.loading import INLINE_BYTES, Loader, LoaderSettings, Prepared, Unusable
from actors.reference.table import Version
from actors.reference.worker import Done, Job

pytestmark = pytest.mark.system
ROWS = 25_000
SETTINGS = LoaderSettings("FR", Limits(ROWS, 10_000_000), 60.0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "PRDPTF.csv"
    lines = "".join(f"P{number};PTF-{number % 7}\n" for number in reversed(range(ROWS)))
    path.write_text(f"product;platform\n{lines}")
    assert path.stat().st_size > INLINE_BYTES
    return path


def load(tmp_path, file, settings=SETTINGS):
    async def run():
        loader = Loader(tmp_path / "kept", settings)
        done = asyncio.get_running_loop().create_future()
        loader.load("PRDPTF", file, Version(1, source=str(file)), done.set_result)
        return await done

    return asyncio.run(run())


def test_a_large_file_is_read_in_a_process_and_every_row_is_there(tmp_path, file):
    prepared = load(tmp_path, file)
    assert isinstance(prepared, Prepared)
    reference = Reference()
    reference.switch("PRDPTF", prepared.rows, prepared.version, 0.0)
    table = reference.tables["PRDPTF"]
    assert len(table) == prepared.version.rows == ROWS
    assert {table.get(f"P{number}").platform for number in range(7)} == {
        f"PTF-{number}" for number in range(7)
    }


def test_the_mistakes_of_a_large_file_come_back_from_the_process(tmp_path, file):
    with file.open("a") as out:
        out.write("P5;again\nP6;b c\n")
    unusable = load(tmp_path, file, msgspec.structs.replace(SETTINGS, limits=Limits(10**6, 10**9)))
    assert isinstance(unusable, Unusable)
    assert [(one.line, one.column) for one in unusable.mistakes] == [
        (ROWS + 3, "platform"),
        (ROWS + 2, "product"),
    ]


def test_a_file_that_takes_too_long_is_given_up(tmp_path, file):
    unusable = load(tmp_path, file, msgspec.structs.replace(SETTINGS, timeout_s=0.001))
    assert "not read within 0.001 s" in unusable.why


def test_a_snapshot_that_cannot_be_written_is_told(tmp_path, file):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / ".PRDPTF.1.snapshot.new").mkdir()
    assert "Is a directory" in load(tmp_path, file).why


def test_the_process_ends_with_the_node_that_started_it(tmp_path):
    fifo = tmp_path / "silent.csv"
    fifo.write_text("product;platform\n")
    job = Job("PRDPTF", str(fifo), str(tmp_path / "out"), "FR", SETTINGS.limits, Version(1))
    process = subprocess.Popen(
        [sys.executable, "-m", "actors.reference.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    said, _ = process.communicate(msgspec.json.encode(job) + b"\n", timeout=60)
    # Its standard input was closed at once: it has ended before it had done its job, or after.
    assert process.returncode in {0, 1}
    assert process.returncode == 1 or msgspec.json.decode(said, type=Done).version is not None
