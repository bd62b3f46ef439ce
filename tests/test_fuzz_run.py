"""Long runs of cases: taken up where they were ended, ended where a case fails."""

import fuzz_run
import pytest


def test_a_run_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    tried, state = [], tmp_path / "state"
    fuzz_run.run(tried.append, 3, 7, state)
    monkeypatch.setattr("sys.argv", ["cases", "--cases", "9", "--state", str(state)])
    fuzz_run.main(tried.append, "cases")
    assert tried == [3, 4, 5, 6, 7, 8]


def test_a_run_ends_at_the_case_that_fails_and_says_which(capsys):
    with pytest.raises(ZeroDivisionError):
        fuzz_run.run(lambda number: 1 / (number - 2), 0, 5)
    assert capsys.readouterr().out == "ended before case 2\n"
