"""Every guard is taken out once: does its test fail? In goes the table below, out comes a line a guard.

A guard is a place in the source; without it a promise of ``docs/reliability.md`` would not hold. The tree is copied,
the place is changed in the copy, and the promise's test is run there: it has to fail, and before that to pass.

    python tools/guards.py [--only WORD] [--out results/guards.md]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


HEAD = """# Guards taken out

Made by `make guards` (`tools/guards.py`): each guard is taken out of a copy of the tree, and the test of its promise is
run there.

| promise | guard in | test | |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Guard:
    """What it is for; where it stands; its words, and what they become; the test that has to notice."""

    promise: str
    file: str
    old: str
    new: str
    test: str


GUARDS = (
    Guard("what can be seen is whole", "store/files.py",
          'beside = path.with_name(f".{path.name}.{os.getpid()}.part")', "beside = path",
          "test_crashes.py::test_what_was_there_stays_when_the_disk_is_full"),
    Guard("nothing half-written stays", "store/files.py",
          "beside.unlink(missing_ok=True)", "pass",
          "test_store.py::test_nothing_half_written_is_left_behind"),
    Guard("readers see whole shards only", "store/files.py",
          "yield beside\n", "yield path\n        return\n",
          "test_crashes.py::test_readers_beside_a_writer_see_whole_shards_only"),
    Guard("a flipped bit of the values is named", "soundness.py",
          "self._told[number].get(WHOLE) == _whole(self.batches[number]).encode()", "True",
          "test_soundness.py::test_a_bit_flipped_anywhere_is_named_or_changes_nothing"),
    Guard("a changed reason or source is named at once", "soundness.py",
          "told[INDEX] != _index(batch).encode()", "False",
          "test_soundness.py::test_a_reason_or_a_source_that_was_changed_is_named_before_any_value_is_read"),
    Guard("a file that was written again is proven again", "soundness.py",
          "told.st_ino, told.st_size, told.st_mtime_ns", "0, 0, 0",
          "test_soundness.py::test_values_are_proven_once_and_proven_again_when_the_file_changes"),
    Guard("a damaged shard is made again", "stocktaking.py",
          "        set_aside(path)\n", "        pass\n",
          "test_soundness.py::test_extraction_sets_a_damaged_shard_aside_and_makes_the_same_bytes_again"),
    Guard("damaged imports are not replaced", "stocktaking.py",
          "if found and not imported and _is_imported(store, key):", "if False:",
          "test_soundness.py::test_imported_features_that_are_damaged_are_not_replaced_by_extracted_ones"),
    Guard("a kept network is the one that was written", "computed.py",
          "told.get(NETWORK, _digest(place)) != _digest(place)", "False",
          "test_backends.py::test_in_int8_a_store_keeps_its_network"),
    Guard("crops are signed by content", "extraction/fingerprints.py",
          "*(_fingerprint(crop) for crop in read)", "",
          "test_soundness.py::test_face_crops_of_the_same_names_and_sizes_are_told_apart"),
    Guard("a playlist is no clip", "media/opening.py",
          'if PLAYLISTS.isdisjoint(container.format.name.split(",")):', "if True:",
          "test_media.py::test_a_playlist_is_no_clip"),
    Guard("a picture has a bound", "media/__init__.py",
          '{"max_pixels": str(PIXELS)}', "{}",
          "test_hostile.py::test_pictures_beyond_the_bound_are_not_decoded"),
    Guard("a stream has a bound", "media/__init__.py",
          ".sink.seconds > LONGEST", ".sink.seconds > 1e9",
          "test_hostile.py::test_a_stream_without_end_is_left_after_a_while"),
    Guard("a decoder has so much memory", "parallel.py",
          "        _bound(limit)\n", "",
          "test_hostile.py::test_a_worker_that_wants_too_much_memory_is_refused_it"),
    Guard("a name in a pickle is a stand-in or refused", "foreign/pickles/machine.py",
          "if stand_in is None:\n", "if stand_in is None:\n            return super().find_class(module, name)\n",
          "test_foreign_hostile.py::test_no_word_of_the_machine_runs_anything"),
    Guard("a pickle does not unfold without end", "foreign/pickles/machine.py",
          "if self._made > MOST:", "if False:",
          "test_foreign_hostile.py::test_more_lists_than_anybody_has_are_refused"),
    Guard("torch's archives are rehearsed", "foreign/pickles/vetting.py",
          "return _vetted_archive(data)", "return data",
          "test_foreign_hostile.py::test_an_archive_with_two_members_of_a_name_is_refused"),
    Guard("an archive's member has a bound", "sources.py",
          "if len(data) > LARGEST:", "if False:",
          "test_hostile.py::test_a_bomb_in_an_archive_costs_its_clip_alone_and_little_memory"),
    Guard("telemetry is off", "__init__.py",
          "os.environ.setdefault(_name, _value)", "pass",
          "test_supply.py::test_telemetry_of_what_we_use_is_off"),
    Guard("code from the hub is never trusted", "weights.py",
          "trust_remote_code=False,", "trust_remote_code=True,",
          "test_supply.py::test_code_from_the_hub_is_never_trusted"),
    Guard("a forgotten clip's old shard goes", "forgetting.py",
          "    shard.path.unlink()\n", "",
          "test_forgetting.py::test_no_byte_of_a_forgotten_clip_is_left_in_a_store"),
    Guard("a forgotten clip's scores go", "forgetting.py",
          "        rewrite_outcome(run, outcome.without(clips))\n", "",
          "test_forgetting.py::test_no_score_of_a_forgotten_clip_is_left_in_a_run_and_its_weights_are_named"),
    Guard("a damaged ledger is not begun anew", "ledger.py",
          'raise BadData(f"{self._path} cannot be read ({error})", remedy=remedy) from None', "self._entries = {}",
          "test_crashes.py::test_a_damaged_ledger_is_never_begun_anew"),
)  # fmt: skip


def passes(tree: Path, test: str) -> bool:
    """Run a test of a tree on that tree's source."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{test}"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{test} cannot be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def is_noticed(tree: Path, guard: Guard) -> bool:
    """Take a guard out, run its test, put it back."""
    path = tree / "src" / "mimetic" / guard.file
    whole = path.read_text("utf-8")
    if whole.count(guard.old) != 1:
        sys.exit(f"{guard.file} holds {whole.count(guard.old)} times what guards this: {guard.promise}")
    path.write_text(whole.replace(guard.old, guard.new), "utf-8")
    try:
        return not passes(tree, guard.test)
    finally:
        path.write_text(whole, "utf-8")


def main() -> None:
    """Try every guard; end with 1 if one can go unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="those whose promise holds this word")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    chosen = [guard for guard in GUARDS if told.only in guard.promise]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", "site", ".*_cache")
        shutil.copytree(ROOT, tree, ignore=ignored)
        for guard in chosen:
            if not passes(tree, guard.test):
                sys.exit(f"{guard.test} fails with its guard in place")
            verdict = "fails without it" if is_noticed(tree, guard) else "PASSES WITHOUT IT"
            rows.append(f"| {guard.promise} | `{guard.file}` | `{guard.test}` | {verdict} |")
            sys.stdout.write(f"{guard.promise}: {guard.test} {verdict}\n")
            sys.stdout.flush()
    if told.out:
        told.out.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    sys.exit(any("PASSES" in row for row in rows))


if __name__ == "__main__":
    main()
