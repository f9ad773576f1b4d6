"""``oprl-gym label``."""

from __future__ import annotations

import getpass
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.extras import how_to_install
from oprl_gym.preferences.queries import Queries, QueryChoice
from oprl_gym.runs.folder import RunError, RunFolder

if TYPE_CHECKING:
    import numpy as np

    from oprl_gym.labelling.clips import Clip
    from oprl_gym.labelling.outcome import RunWatch
    from oprl_gym.labelling.session import LabellingSession
    from oprl_gym.preferences import PreferenceStore

UI = Literal["web", "pygame", "terminal"]
WHILE_LOOKED_AT_S = 3.0
"""Seconds that a person waits for another program that writes to the store."""
MAX_INSTRUCTIONS = 300
"""Characters, so that the clips need not make room for more than a few lines."""
MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Label:
    """Say which of two clips is better, of a run going on or finished."""

    directory: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DIR")]
    """The run folder."""

    ui: UI = "web"
    """Where you look: a page in your browser, a window, or this terminal."""

    annotator: Annotated[
        str | None,
        tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: your login)"),
    ] = None
    """Your name; several people can label at once."""

    port: Annotated[
        int | None,
        tyro.conf.arg(metavar="PORT", help_behavior_hint="(default: 8765 or any)"),
    ] = None
    """Port of the page on this machine."""

    pairs: int = 40
    """Pairs to make of a finished run that has none left."""

    queries: QueryChoice = "entropy"
    """How these are chosen."""

    segment_length: Annotated[
        int | None,
        tyro.conf.arg(metavar="STEPS", help_behavior_hint="(default: whole episodes)"),
    ] = None
    """Steps of each clip of them."""

    instructions: Annotated[
        str, tyro.conf.arg(metavar="TEXT", help_behavior_hint="(default: none)")
    ] = ""
    """What those who label are to go by, shown above the clips."""

    repeats: float = 0.05
    """Share of pairs that come a second time, to see how consistent you are."""

    seed: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: chance)")
    ] = None
    """Seed of left and right, repeats, and the choice of pairs."""

    export_to: Annotated[
        str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")
    ] = None
    """Write all answers to FILE.jsonl or FILE.csv and show nothing."""

    import_from: Annotated[
        str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")
    ] = None
    """Add the answers in FILE.jsonl or FILE.csv and show nothing."""

    delete_broken: bool = False
    """Delete pairs that cannot be shown, take back answers that cannot be used."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Label."""
        from oprl_gym.preferences import PreferenceStore
        from oprl_gym.preferences.store.questions import PATIENCE_S

        folder = RunFolder.begun(self.directory)
        files = (self.export_to, self.import_from)
        shows = files == (None, None) and not self.delete_broken
        patience = WHILE_LOOKED_AT_S if shows else PATIENCE_S
        try:
            with PreferenceStore(_store_path(folder), patience=patience) as store:
                if shows:
                    self._label(folder, store)
                else:
                    self._exchange(store)
        except (ValueError, OSError, sqlite3.Error) as error:
            raise RunError(str(error)) from error

    def _exchange(self, store: PreferenceStore) -> None:
        from oprl_gym.labelling.pictures import check_clip
        from oprl_gym.preferences.store.exchange import export_answers, import_answers
        from oprl_gym.preferences.store.inspection import delete_broken

        if self.import_from is not None:
            added = import_answers(store, self.import_from, check_clip)
            print(f"{added} answers added")
        if self.delete_broken:
            faults = delete_broken(store, check_clip)
            for name, fault in faults.items():
                print(f"{name}: {fault}")
            print(f"{len(faults)} deleted or taken back")
        if self.export_to is not None:
            written = export_answers(store, self.export_to)
            print(f"{written} answers written")
            left_out = len(store.answers()) - written
            if left_out:
                print(f"{left_out} left out, which cannot be used; see --delete-broken")

    def _label(self, folder: RunFolder, store: PreferenceStore) -> None:
        import numpy as np

        from oprl_gym.labelling.outcome import RunWatch
        from oprl_gym.labelling.session import LabellingSession

        _check_instructions(self.instructions)
        rng = np.random.default_rng(self.seed)
        name = _login() if self.annotator is None else self.annotator
        watch = RunWatch(folder)
        session = LabellingSession(store, name, rng, self.repeats, watch.training)
        if not store.open_questions() and folder.is_finished():
            self._ask(folder, store, rng)
        self._show(session, watch)

    def _ask(
        self, folder: RunFolder, store: PreferenceStore, rng: np.random.Generator
    ) -> None:
        from oprl_gym.labelling.recording import ask_about_run

        if not 1 <= self.pairs <= MOST_PAIRS:
            raise RunError(f"--pairs is from 1 to {MOST_PAIRS:,}, got {self.pairs}")
        self.trust.vouch(folder.config())
        queries = Queries(self.queries, self.segment_length)
        ask_about_run(folder, store, self.pairs, queries, rng)

    def _show(self, session: LabellingSession, watch: RunWatch) -> None:
        title = watch.folder.config().env_id
        if self.ui == "web":
            self._serve(session, watch, title)
        elif self.ui == "terminal":
            from oprl_gym.labelling.terminal import label_in_terminal

            label_in_terminal(session, title, self.instructions)
        else:
            from oprl_gym.cli.window import needs_window
            from oprl_gym.labelling.desktop import label_in_window

            with needs_window():
                label_in_window(session, title, self.instructions)

    def _serve(self, session: LabellingSession, watch: RunWatch, title: str) -> None:
        try:
            from oprl_gym.labelling.web import Labelled, serve
        except ImportError as error:
            raise RunError(
                f"the web page needs more packages; run: {how_to_install('label')}"
            ) from error

        def agent() -> Clip | None:
            from oprl_gym.labelling.recording import newest_clip

            try:
                self.trust.vouch(watch.folder.config())
                return newest_clip(watch.folder)
            except Exception:  # as an env may fail; the page tells enough without
                return None

        labelled = Labelled(title, self.instructions, watch, agent)
        try:
            serve(session, labelled, self.port)
        except (OSError, OverflowError) as error:
            raise RunError(f"port {self.port} cannot be used: {error}") from error


def _check_instructions(text: str) -> None:
    if len(text) > MAX_INSTRUCTIONS or not text.isprintable():
        raise RunError(
            f"--instructions is one line of at most {MAX_INSTRUCTIONS} printable "
            f"characters, got {len(text)}: {text!a:.60}; shorten it"
        )


def _store_path(folder: RunFolder) -> Path:
    """Return where the run asks: its own store, unless it was told another.

    Raises:
        RunError: There is no such other store.
    """
    asks = folder.config().teaching.teacher == "human"
    return (folder.named_store() if asks else None) or folder.own_store()


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may know no name
        return "somebody"
