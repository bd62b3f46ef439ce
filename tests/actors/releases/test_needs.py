"""What an upgrade takes of the machine is measured before the release is tried."""

import asyncio
import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.cli.release_text import plan_lines
from actors.config import Config
from actors.releases import checking, needs
from actors.releases.checking import Checking
from actors.releases.manifest import Compose, Manifest
from supervision.anchor.messages import Refusal

MIB = 1 << 20
ENOUGH = needs.Measured(
    node_bytes=100 * MIB,
    memory_bytes=1 << 40,
    disk_bytes=1 << 40,
    open=10,
    most_open=20_000,
)


def group(at: Path, most: str, used: int, cached: int = 0) -> None:
    at.mkdir(parents=True, exist_ok=True)
    (at / "memory.max").write_text(f"{most}\n")
    (at / "memory.current").write_text(f"{used}\n")
    (at / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")


def test_the_limit_of_a_slice_above_the_service_counts(tmp_path):
    group(tmp_path / "vigie.slice", str(300 * MIB), 250 * MIB, 10 * MIB)
    group(tmp_path / "vigie.slice" / "vigie.service", "max", 200 * MIB)
    found = needs.group_bytes(tmp_path, "1:name=systemd:/x\n0::/vigie.slice/vigie.service\n")
    assert found == [60 * MIB]


def test_each_control_group_with_a_limit_counts_and_none_has_less_than_nothing(tmp_path):
    group(tmp_path / "a", str(10 * MIB), 20 * MIB)
    group(tmp_path / "a" / "b", str(5 * MIB), MIB)
    assert needs.group_bytes(tmp_path, "0::/a/b\n") == [4 * MIB, 0]
    assert needs.group_bytes(tmp_path, "0::/nowhere\n") == []
    assert needs.group_bytes(tmp_path, "4:memory:/a/b\n") == []
    assert needs.group_bytes(tmp_path, "0::/\n") == []


@pytest.fixture
def trials(monkeypatch, tmp_path):
    """A check whose release is there; counts what it begins."""
    (tmp_path / "releases").mkdir()
    manifest = Manifest(vsn="2", origin="external", path="/x", compose=Compose(("x",)))
    monkeypatch.setattr(checking.install, "verify", lambda *_: manifest)
    monkeypatch.setattr(checking, "of_this_process", lambda _: {})
    monkeypatch.setattr(checking, "giving_parts", lambda _: [])
    begun = []

    def run(measured, trial=None):
        monkeypatch.setattr(needs, "measure", lambda _: measured)

        async def tried(*_):
            begun.append(1)
            raise trial

        standing = SimpleNamespace(standing=SimpleNamespace(vsn="1"))
        node = SimpleNamespace(data=tmp_path, config=Config(), release=standing, kernel=None)
        check = Checking(node, None)
        check._tried = tried
        return asyncio.run(check.check({"vsn": "2"})), begun

    return run


@pytest.mark.parametrize(
    ("short", "what"),
    [({"memory_bytes": MIB}, "memory"), ({"disk_bytes": 1}, "disk"), ({"most_open": 20}, "desc")],
)
def test_a_machine_with_too_little_is_told_so_and_no_second_node_is_started(trials, short, what):
    measured = needs.Measured(
        **{name: getattr(ENOUGH, name) for name in ENOUGH.__struct_fields__} | short
    )
    made, begun = trials(measured)
    assert begun == []
    assert made["ok"] is False
    assert [why.startswith(f"too little {what}") for why in made["why"]] == [True]
    assert plan_lines(made)[0] == "from 1 to 2, not tried"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_when_the_trial_begins_is_too_little_disk(trials, code):
    made, begun = trials(ENOUGH, OSError(code, os.strerror(code), "/data/releases/.check.x"))
    assert begun
    (why,) = made["why"]
    assert why.startswith("too little disk: ")
    assert os.strerror(code) in why


def test_what_else_the_machine_refuses_is_why_the_release_cannot_be_tried(trials):
    with pytest.raises(Refusal, match=r"release 2 cannot be tried: Resource temporarily"):
        trials(ENOUGH, OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
