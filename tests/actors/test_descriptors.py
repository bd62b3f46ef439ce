"""Descriptors: counted from the configuration, provided or refused, and watched."""

import configparser
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.alarms import Alarms
from actors.cli.parser import make_parser
from actors.config import Config, CtiConfig, DatabaseConfig, HttpConfig
from actors.descriptors import (
    ACCEPTED_AT_ONCE,
    CHECK_S,
    SPARE,
    DescriptorWatch,
    TooFewDescriptors,
    check,
    in_use,
    needs,
)
from supervision.testing import Kit

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "etc" / "vigie.service"
SMALL = Config(
    http=HttpConfig(max_connections=10),
    cti=CtiConfig(max_links=3),
    database=DatabaseConfig(connections=2, max_connections=2),
)
NEEDED = 10 + 3 + 2 + ACCEPTED_AT_ONCE + SPARE


def test_what_is_needed_is_what_the_limits_of_the_configuration_add_up_to():
    assert sum(need.count for need in needs(SMALL)) == check(SMALL, NEEDED) == NEEDED
    assert check(SMALL, resource.RLIM_INFINITY) == NEEDED


def test_a_hard_limit_that_is_too_low_is_refused_with_the_keys_the_numbers_and_what_would_do():
    with pytest.raises(TooFewDescriptors) as refused:
        check(SMALL, NEEDED - 1)
    for words in (
        f"open files is {NEEDED - 1}",
        "http.max_connections 10",
        "cti.max_links 3",
        "database.max_connections 2",
        f"LimitNOFILE={NEEDED} ",
        f"ulimit -Hn {NEEDED}",
    ):
        assert words in str(refused.value)


def limited(soft, hard, program):
    """Run a program in a process with these limits."""

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return subprocess.run(
        [sys.executable, *program],
        preexec_fn=limit,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


PROVIDE = """
import resource
from actors.config import Config
from actors.descriptors import provide
print(provide(Config()), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.system
def test_the_soft_limit_is_raised_to_what_is_needed_and_never_lowered():
    needed = check(Config(), resource.RLIM_INFINITY)
    done = limited(256, needed + 5, ["-c", PROVIDE])
    assert done.stdout.split() == [str(needed), str(needed), str(needed + 5)], done.stderr
    done = limited(needed + 5, needed + 5, ["-c", PROVIDE])
    assert done.stdout.split() == [str(needed + 5)] * 3, done.stderr


@pytest.mark.system
def test_the_table_of_open_files_is_as_large_from_the_start_as_it_may_become():
    slots = """
from pathlib import Path
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if "FDSize" in line))
"""
    needed = check(Config(), resource.RLIM_INFINITY)
    done = limited(256, needed, ["-c", PROVIDE + slots])
    assert int(done.stdout.split()[-1]) >= needed, done.stderr


@pytest.mark.system
def test_a_node_is_not_started_where_the_hard_limit_is_too_low(tmp_path):
    words = ["-m", "actors.cli", "start", "--json", "--data", str(tmp_path / "var")]
    done = limited(256, 1_024, words)
    assert done.returncode == 64
    assert "LimitNOFILE=" in json.loads(done.stdout)["error"]["msg"]
    assert not (tmp_path / "var").exists()


@pytest.mark.system
def test_a_node_of_its_own_is_not_started_either(tmp_path):
    done = limited(256, 1_024, ["-m", "actors.node", "--data", str(tmp_path)])
    assert done.returncode == 64
    assert "http.max_connections 2000" in done.stderr


def test_an_alarm_is_raised_when_nearly_all_are_in_use_and_cleared_when_they_are_not(monkeypatch):
    used = [89]
    monkeypatch.setattr("actors.descriptors.in_use", lambda: used[0])
    with Kit() as kit:
        alarms = Alarms(kit.kernel)
        DescriptorWatch(kit.kernel, alarms, 100).begin()
        told = []
        for count in (89, 90, 99, 85, 79, 91):
            used[0] = count
            kit.advance(CHECK_S)
            told.append([alarm.text for alarm in alarms.active()])
    ninety = ["90 of 100 descriptors are in use (LimitNOFILE)"]
    assert told[:2] == [[], ninety]
    assert len(told[2]) == len(told[3]) == len(told[5]) == 1
    assert told[4] == []


def test_the_descriptors_of_this_process_are_counted():
    before = in_use()
    with UNIT.open():
        assert in_use() == before + 1


# The unit


def settings():
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    return unit


def test_the_unit_of_systemd_offers_what_the_shipped_configuration_needs():
    service = settings()["Service"]
    assert int(service["LimitNOFILE"]) >= check(Config(), resource.RLIM_INFINITY)
    assert float(service["TimeoutStopSec"]) > Config().anchor.stop_timeout_s
    assert service["Restart"] == "always"


def test_the_command_of_the_unit_is_one_that_vigie_knows():
    program, *words = settings()["Service"]["ExecStart"].split()
    assert Path(program).name == "vigie"
    options = make_parser(words).parse_args(words)
    assert options.foreground


@pytest.mark.system
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not there")
def test_systemd_understands_every_line_of_the_unit(tmp_path):
    # Its program is not here: another one stands for it.
    unit = tmp_path / "vigie.service"
    unit.write_text(UNIT.read_text().replace("/opt/vigie/bin/vigie", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "vigie.service" in line]
    assert complaints == []
