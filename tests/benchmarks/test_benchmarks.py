"""The benchmarks' results and page; at the smallest size, the sections run and their own assertions hold."""

import math
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, at_most
from benchmarks.results import Measured, Results
from benchmarks.scale import TINY
from benchmarks.sections import SECTIONS

NAMES = ("history", "live", "scan")


def section(title: str, figure: str, got: float) -> Section:
    table = Table("How to read it.", ("who", "ns"), [["ours", figure]])
    return Section(title, [table], [at_least(f"{title}, over the other", 2.0, got), at_most("time", 3.0, 1.0, " s")])


def measured(
    title: str, figure: str = "1.00", got: float = 4.0, day: str = "2020-01-02", machine: str = "One, Python 3"
) -> Measured:
    return Measured(section(title, figure, got), day, machine, 9)


def test_a_section_that_is_not_measured_again_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    first = Results(path, NAMES)
    first.put("live", measured("Live", "11.1"))
    first.put("history", measured("History", "22.2"))
    Results(path, NAMES).put("live", measured("Live", "33.3", day="2021-03-04"))

    page = path.with_suffix(".md").read_text(encoding="utf-8")
    assert page == Results(path, NAMES).page()
    assert "33.3" in page
    assert "11.1" not in page
    parts = page.split("\n## ")
    assert [part.split("\n")[0] for part in parts[1:]] == ["Targets", "History", "Live"]
    assert "2020-01-02" in parts[2]
    assert "2021" not in parts[2]
    assert "2021-03-04" in parts[3]
    assert "Not measured: scan." in parts[0]


def test_a_figure_that_is_not_a_number_reaches_no_target(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    Results(path, NAMES).put("scan", measured("Scan", got=math.nan))
    results = Results(path, NAMES)
    assert "1 of 2 are reached on One." in results.page()
    assert "| Scan, over the other | at least 2.00x | -x, **no** |" in results.page()


def test_results_of_several_processors_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    for name, figure, got, machine in (
        ("live", "1.11", 1.0, "One, Python 3, numpy 1"),
        ("live", "2.22", 3.0, "Two, Python 3, numpy 1"),
        ("live", "3.33", 1.5, "One, Python 3, numpy 2"),
        ("scan", "4.44", 5.0, "Two, Python 3, numpy 1"),
    ):
        Results(path, NAMES).put(name, measured(name, figure, got, machine=machine))
    page = Results(path, NAMES).page()
    assert "| target | wanted | One | Two |" in page
    assert "1 of 2 are reached on One; 4 of 4 are reached on Two." in page
    assert "| live, over the other | at least 2.00x | 1.50x, **no** | 3.00x, yes |" in page
    assert "| scan, over the other | at least 2.00x | - | 5.00x, yes |" in page
    assert "1.11" not in page
    assert page.index("3.33") < page.index("2.22") < page.index("4.44")


def test_a_section_there_is_none_of_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "live,hisotry"])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no section 'hisotry'; the sections are seed, " in capsys.readouterr().err


def test_the_page_is_written_from_what_is_kept() -> None:
    page = command.RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert page == Results(command.RESULTS, SECTIONS).page()


@pytest.mark.parametrize("name", ["seed", "series", "live", "conditions", "events", "bots"])
def test_a_section_at_the_smallest_size(name: str, tmp_path: Path) -> None:
    measured_section = SECTIONS[name](TINY, Peers(None, tmp_path, "they were not wanted"))
    assert measured_section.tables
    for table in measured_section.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert measured_section.targets
