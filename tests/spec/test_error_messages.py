"""Every bad file of tests/errors with the whole text that it is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipectl.errors import PipelineError, render_problem
from pipectl.spec.load import load

FOLDER = Path(__file__).parent.parent / "errors"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", CASES)
def test_bad_file_is_answered_with_the_expected_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(PipelineError) as raised:
        load(f"{name}.yaml")
    said = "\n\n".join(render_problem(problem) for problem in raised.value.problems) + "\n"
    assert said == Path(f"{name}.expected").read_text(encoding="utf-8")


def test_every_expected_text_has_its_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.expected")) == CASES
