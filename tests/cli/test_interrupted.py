"""What an interrupted command says was done is what was done, at whatever line the interrupt came."""

from __future__ import annotations

import itertools
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import retention_kit as rk
from retention_kit.cli import follow_ups, main, report
from retention_kit.report.archive import folder as folders
from retention_kit.report.archive import manifest
from retention_kit.report.build import builder

MONTHS = ["2024-01", "2024-02", "2024-03"]
NUMBERS = itertools.count()


class Pending:
    """A pack without content, which takes its place as any other does."""

    def __init__(self, plan, folder, output, *_):
        self.plan, self.folder, self.output = plan, folder, output

    def finish(self) -> builder.Pack:
        with folders.staging_dir(self.folder) as staging:
            building = staging / self.folder.name
            building.mkdir()
            (building / manifest.NAME).write_text(f'{{"number": {next(NUMBERS)}}}', "utf-8")
            folders.swap(building, self.folder, staging)
        return builder.Pack(self.folder, self.folder.name)

    def cancel(self) -> None:
        pass


@pytest.fixture
def command(tmp_path, monkeypatch) -> list[str]:
    """The command for three periods; what it builds are packs without content."""
    (tmp_path / "orders.csv").write_text(
        "customer_id,ordered_at,amount\n" + "".join(f"a,2024-0{month}-03,9\n" for month in range(1, 5)), "utf-8"
    )
    data = rk.load(tmp_path / "orders.csv")
    monkeypatch.setattr(report, "load_data", lambda _: data)
    monkeypatch.setattr(builder, "start_pack", Pending)
    monkeypatch.setattr(report, "_prepare", lambda _: None)
    monkeypatch.chdir(tmp_path)
    return ["report", "--from", MONTHS[0], "--to", MONTHS[-1], "--force"]


WATCHED = {
    *(report._build.__code__, report._print_pack.__code__, builder.build_packs.__code__),
    *(code for code in builder.build_packs.__code__.co_consts if hasattr(code, "co_code")),
    *(Pending.finish.__code__, folders.swap.__code__, folders.staging_dir.__wrapped__.__code__),
}


def interrupted_at(number: int, arguments: list[str], *, is_caused: bool) -> tuple[int | None, bool]:
    """Run with an interrupt at this line of those watched: the exit code and whether the run came so far.

    `is_caused`: what ends the run is another error, as of a query that was ended.
    """
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code not in WATCHED:
            return None
        if event == "line" and sys.exc_info()[0] is None:  # not while it cleans up
            lines += 1
            if lines == number:
                sys.settrace(None)
                if not is_caused:
                    signal.raise_signal(signal.SIGINT)
                with suppress(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
                raise RuntimeError("The query was ended")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        code = main(arguments)
    finally:
        sys.settrace(before)
    return code, lines >= number


@pytest.mark.long
@pytest.mark.parametrize("is_caused", [False, True])
def test_the_packs_said_to_be_done_are_those_in_place(command, capsys, is_caused):
    numbers, sentences = 0, set()
    while True:
        output, numbers = Path(f"reports-{numbers}"), numbers + 1
        code, was_interrupted = interrupted_at(numbers, [*command, "--output", str(output)], is_caused=is_caused)
        sentence = capsys.readouterr().err.splitlines()[-1] if was_interrupted else ""
        if not was_interrupted:
            break
        assert code == 130, sentence
        done = [path.name for path in sorted(output.glob("2024-*"))]
        if not done:
            assert sentence == "retention-kit: Interrupted: nothing was changed."
        elif done == MONTHS:
            assert sentence == "retention-kit: done: 2024-01, 2024-02, 2024-03."
        else:
            names, stopped_at = ", ".join(done), MONTHS[len(done)]
            assert sentence == f"retention-kit: Interrupted at {stopped_at}, which is as it was; done: {names}."
        sentences.add(sentence)
    assert len(sentences) == 4
    assert numbers > 60


@pytest.mark.long
@pytest.mark.parametrize("is_caused", [False, True])
def test_a_pack_that_replaces_another_is_done(command, capsys, is_caused):
    """The folder is there before, so its content tells."""
    command += ["--output", "reports"]
    assert main(command) == 0
    numbers = 0
    while True:
        before, numbers = [manifest.read(Path("reports", month)) for month in MONTHS], numbers + 3
        capsys.readouterr()
        if not interrupted_at(numbers, command, is_caused=is_caused)[1]:
            break
        sentence = capsys.readouterr().err.splitlines()[-1]
        now = [manifest.read(Path("reports", month)) for month in MONTHS]
        done = [month for month, first, second in zip(MONTHS, before, now, strict=True) if first != second]
        assert [month for month in MONTHS if month in sentence.partition("done:")[2]] == done


def test_follow_ups_do_not_say_that_nothing_was_changed(monkeypatch, capsys):
    def load_data(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow_ups, "load_data", load_data)
    assert main(["follow-ups"]) == 130
    assert capsys.readouterr().err == "retention-kit: Interrupted: the same command lists the rest.\n"
    monkeypatch.setenv("RETENTION_KIT_LANGUAGE", "ar")
    assert main(["follow-ups"]) == 130
    assert "nothing" not in capsys.readouterr().err
