"""Nothing where all went well; else the failures: what a mail from cron should hold."""

from __future__ import annotations

from pipectl.model import RunState
from pipectl.reports.base import Report
from pipectl.reports.console import Console
from pipectl.reports.summary import summary


class QuietReport(Report):
    """The summary of a run that is not a success."""

    def finish(self) -> None:
        """Tells what failed."""
        if self.view.state is not RunState.SUCCESS:
            console = Console()
            console.say([f"run {self.run.id} of {self.pipeline.name}", *summary(self, colour=console.colour)])
