"""The table of docs/clients.md: made of what came out, and not of anything else."""

from __future__ import annotations

import pytest

from clients.conformance.harness import report
from clients.conformance.harness.cases import Case, CaseFile
from clients.conformance.harness.judging import Verdict
from clients.conformance.harness.table import BEGIN, END, merged

PAGE = f"# Clients\n\n{BEGIN}\n\n{END}\n\nMore.\n"


def case(file: str, name: str) -> Case:
    return Case(file, name, "plain", {}, {})


FILES = [
    CaseFile("append", "Appending | one stream.", (case("append", "a"), case("append", "b"))),
    CaseFile("read", "Reading.", (case("read", "c"),)),
]


def test_a_row_for_each_file_and_a_column_for_each_client() -> None:
    python = Verdict("python", passed={"append: a", "append: b", "read: c"})
    go = Verdict("go", passed={"append: a", "read: c"}, failed={"append: b": "no"})
    page = merged(PAGE, FILES, [python, go])
    assert "| cases | about | python | go |" in page
    assert "| [append](../clients/conformance/cases/append.yaml) | Appending \\| one stream. | 2/2 | 1/2 |" in page
    assert "| [read](../clients/conformance/cases/read.yaml) | Reading. | 1/1 | 1/1 |" in page
    assert page.startswith("# Clients\n")
    assert page.endswith("\nMore.\n")


def test_what_a_client_leaves_out_does_not_count_as_passed_and_is_named() -> None:
    java = Verdict("java", passed={"append: a", "append: b"}, left_out={"read: c": "there is no such thing"})
    page = merged(PAGE, FILES, [java])
    assert "| Reading. | 0/1 |" in page
    assert "- java leaves out read: c: there is no such thing" in page


def test_the_same_results_give_the_same_page() -> None:
    verdicts = [Verdict("python", passed={"append: a"}, left_out={"read: c": "why"})]
    page = merged(PAGE, FILES, verdicts)
    assert merged(page, FILES, verdicts) == page


def test_a_client_that_was_not_run_keeps_its_column() -> None:
    page = merged(PAGE, FILES, [Verdict("python", passed={"append: a"}), Verdict("go", left_out={"read: c": "why"})])
    page = merged(page, FILES, [Verdict("python", passed={"append: a", "append: b", "read: c"})])
    assert "| Appending \\| one stream. | 2/2 | 0/2 |" in page
    assert "- go leaves out read: c: why" in page


def test_a_new_file_is_not_run_yet_by_those_that_were_not_run() -> None:
    page = merged(PAGE, FILES[:1], [Verdict("python"), Verdict("go")])
    page = merged(page, FILES, [Verdict("go", passed={"read: c"})])
    assert "| Reading. | not run | 1/1 |" in page


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not say where the table is"):
        merged("# Clients\n", FILES, [])


def test_the_page_has_a_place_for_the_table() -> None:
    page = report.PAGE.read_text()
    assert page.index(BEGIN) < page.index(END)


def test_a_table_that_is_not_what_came_out_fails_in_ci_only(tmp_path, monkeypatch, capsys) -> None:
    page = tmp_path / "clients.md"
    page.write_text(PAGE)
    monkeypatch.setattr(report, "PAGE", page)
    verdicts = [Verdict("python")]
    assert report.table(verdicts, write=False, in_ci=False)
    assert not report.table(verdicts, write=False, in_ci=True)
    assert "run this with --write" in capsys.readouterr().out
    assert report.table(verdicts, write=True, in_ci=True)
    assert report.table(verdicts, write=False, in_ci=True)
