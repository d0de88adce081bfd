"""Deliberate mistakes in the rules of the code: which one each breaks, and which test must fail."""

from __future__ import annotations

import ast
import io
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Misfit(Exception):
    """A mutant does not fit the code or the tests."""


class Mutant(NamedTuple):
    """A mistake in `function` of `file`: `old` becomes `new`, and `test` must fail.

    `rule` names the broken rule, as in the table of README.md. `function` may also be Class.method
    or a constant of the module. `old` and `new` are indented as if `def` stood in the first column,
    wherever the function is. mutation.py tries the mutants.
    """

    rule: str
    test: str
    file: str
    function: str
    old: str
    new: str

    def make(self, package: Path) -> str:
        """Return the code of the file, in this package, with the mistake.

        Raise Misfit if the file, the function or the text in it is missing or not the only one.
        """
        place = f"{self.function} of {self.file}"
        try:
            code = (package / self.file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Misfit(f"{self.rule}: there is no {self.file}") from None
        found = list(_definitions(ast.parse(code).body, *self.function.split(".")))
        if len(found) != 1:
            raise Misfit(f"{self.rule}: {len(found)} definitions of {place}")
        first, last = found[0].lineno - 1, found[0].end_lineno
        lines = io.StringIO(code).readlines()
        inside = textwrap.dedent("".join(lines[first:last]))
        if inside.count(self.old) != 1:
            raise Misfit(f"{self.rule}: the text is {inside.count(self.old)} times in {place}")
        indented = " " * found[0].col_offset
        lines[first:last] = [textwrap.indent(inside.replace(self.old, self.new), indented)]
        return "".join(lines)

    def find_test(self, tests: Path) -> Path:
        """Return the file below `tests` that has the test; raise Misfit unless there is one."""
        define = f"def {self.test}("
        found = [path for path in tests.rglob("test_*.py") if define in path.read_text("utf-8")]
        if len(found) != 1:
            raise Misfit(f"{self.rule}: {self.test} is in {len(found)} files")
        return found[0]


def _definitions(body: list[ast.stmt], name: str, *more: str) -> Iterator[ast.stmt]:
    """Yield the statements that define `name`; with `more`, those that define it inside a class."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name == name:
                yield from _definitions(node.body, *more) if more else [node]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in map(ast.unparse, targets) and not more:
                yield node


MUTANTS = [
    Mutant(
        "an unsubmitted task is saved first",
        "test_a_kill_before_the_answer_leads_to_one_task",
        "steps/submit.py",
        "_Submitting.run",
        "    if self.queue:\n        self.save()\n",
        "",
    ),
    Mutant(
        "an unsubmitted delete task is saved first",
        "test_a_leftover_delete_task_is_found_by_its_label",
        "steps/delete_task.py",
        "delete",
        "    store.tasks[number] = task\n    session.context.begin_deletion(task)\n",
        "    store.tasks[number] = task\n",
    ),
    Mutant(
        "a repeated submission keeps its id",
        "test_an_uncertain_submission_is_repeated_unaltered",
        "globus/tasks.py",
        "transfer_document",
        "        submission_id=task.submission_id,\n        sync_level",
        "        submission_id=str(__import__('uuid').uuid4()),\n        sync_level",
    ),
    Mutant(
        "only Accepted and Duplicate mean that there is a task",
        "test_an_uncertain_submission_is_repeated_unaltered",
        "globus/client.py",
        "Client.submit",
        'answer.get("code") not in ("Accepted", "Duplicate")',
        "False",
    ),
    Mutant(
        "racy files are sent again",
        "test_a_file_written_twice_within_a_second_is_sent_again",
        "steps/rules.py",
        "_reason_to_transfer",
        "    if is_racy(record, task) and terms.began",
        "    if False and terms.began",
    ),
    Mutant(
        "racy files are not deleted",
        "test_a_file_modified_within_2_s_of_the_scan_stays",
        "steps/rules.py",
        "reason_to_keep",
        "    if is_racy(record, task):\n        return",
        "    if False:\n        return",
    ),
    Mutant(
        "the short cut for unchanged files leaves out racy ones",
        "test_a_file_written_twice_within_a_second_is_sent_again",
        "steps/rules.py",
        "safe_until",
        "        number: task.scanned_at - RACE_SECONDS\n",
        "        number: task.scanned_at + 9_999\n",
    ),
    Mutant(
        "the short cut for unchanged files is for ended tasks",
        "test_a_skipped_file_is_an_alert_until_its_next_task_ends",
        "steps/rules.py",
        "safe_until",
        "        if not task.in_progress and pair in",
        "        if task.in_progress and pair in",
    ),
    Mutant(
        "the short cut for unchanged directories compares whole names",
        "test_records_of_one_task_are_told_from_others_without_decoding",
        "records.py",
        "Files.are",
        '    if line.count(b"]") != len(versions):\n',
        "    if False:\n",
    ),
    Mutant(
        "the short cut for unchanged directories leaves out racy files",
        "test_a_file_written_twice_within_a_second_is_sent_again",
        "steps/scan.py",
        "_is_unchanged",
        "latest <= safe_until.get(task, NEVER) and ",
        "",
    ),
    Mutant(
        "the short cut for new files of a first run leaves out unstable ones",
        "test_a_file_is_deferred_until_stable_for_settle_seconds",
        "steps/scan.py",
        "_classify_directory",
        "else began - terms.settle_seconds",
        "else began",
    ),
    Mutant(
        "skipped paths are not delivered",
        "test_succeeded_means_delivered_except_skipped_files",
        "steps/delivered.py",
        "not_transferred",
        "        if hits:\n            lost.append(path)",
        "        if False:\n            lost.append(path)",
    ),
    Mutant(
        "files below a skipped directory are not delivered",
        "test_files_below_a_skipped_directory_count_as_skipped",
        "files.py",
        "with_parents",
        'path = path.rpartition("/")[0]\n',
        'path = ""\n',
    ),
    Mutant(
        "an incomplete list of skipped paths does not count",
        "test_missing_skipped_errors_are_requested_for_an_hour",
        "steps/delivered.py",
        "_whole",
        "    return found if len(found) >= (number or 0) else None",
        "    return found",
    ),
    Mutant(
        "an unknown skipped path drops all files of its task",
        "test_a_skipped_path_outside_its_task_drops_all_its_files",
        "steps/delivered.py",
        "not_transferred",
        "    if not all(below(path, task.source_dir) for path in left_out):",
        "    if False:",
    ),
    Mutant(
        "files of a task unknown to Globus are dropped",
        "test_files_of_a_task_unknown_to_globus_are_sent_again",
        "steps/poll.py",
        "poll",
        "                dropped = paths\n",
        "                dropped = []\n",
    ),
    Mutant(
        "a failed task delivers only what it lists, with the size",
        "test_a_failed_task_does_not_deliver_another_size",
        "steps/delivered.py",
        "_has_size",
        "return record is not None and record.size == size",
        "return record is not None and size is not None",
    ),
    Mutant(
        "one recursive task at a time",
        "test_full_waits_for_transfers_in_progress",
        "steps/scan.py",
        "scan",
        "recursive=not in_progress and (first or wanted)",
        "recursive=first or wanted",
    ),
    Mutant(
        "a recursive task has every file",
        "test_everything_is_deferred_during_a_recursive_task",
        "datastore.py",
        "Datastore.recursive_in_progress",
        "        task.recursive and task.in_progress and below(path, task.source_dir)",
        "        False and below(path, task.source_dir)",
    ),
    Mutant(
        "files of a task in progress are not deleted",
        "test_a_file_stays_while_its_task_is_in_progress",
        "steps/rules.py",
        "reason_to_keep",
        "    if task.in_progress or recursive_in_progress:\n        return",
        "    if recursive_in_progress:\n        return",
    ),
    Mutant(
        "delete tasks have a short deadline",
        "test_a_delete_task_has_explicit_paths_and_a_deadline",
        "steps/delete_task.py",
        "delete",
        "deadline=int(deletion.age.since) + deadline_seconds",
        "deadline=int(deletion.age.since) + 100 * deadline_seconds",
    ),
    Mutant(
        "delete tasks that linger are cancelled",
        "test_an_unsuccessful_delete_task_keeps_its_records",
        "steps/delete_task.py",
        "delete",
        "        if ended.status in OPEN:\n            ended = client.cancel",
        "        if False:\n            ended = client.cancel",
    ),
    Mutant(
        "leftover delete tasks are cancelled",
        "test_a_leftover_delete_task_is_found_by_its_label",
        "steps/startup.py",
        "_start_up",
        "        leftovers.cancel(session)\n",
        "",
    ),
    Mutant(
        "nothing is done until a leftover delete task is cancelled",
        "test_nothing_is_done_until_a_leftover_is_cancelled",
        "steps/leftovers.py",
        "_cancelled",
        "        if not gone and not over:",
        "        if False:",
    ),
    Mutant(
        "a missing copy is not verified",
        "test_a_missing_or_truncated_copy_is_sent_again",
        "steps/rules.py",
        "doubt",
        "    if found is None:\n        return Doubt(Why(KeepReason.MISSING))",
        '    if found == "never":\n        return Doubt(Why(KeepReason.MISSING))',
    ),
    Mutant(
        "a copy of another size is not verified",
        "test_a_missing_or_truncated_copy_is_sent_again",
        "steps/rules.py",
        "doubt",
        "    if found.size != record.size:",
        "    if False:",
    ),
    Mutant(
        "a file whose copy cannot be verified stays",
        "test_a_file_whose_copy_cannot_be_verified_stays",
        "steps/fingerprints.py",
        "current_versions",
        "            answer: Answer = None if result.gone else no_answer\n",
        "            answer: Answer = None\n",
    ),
    Mutant(
        "an empty destination drops nothing",
        "test_a_missing_or_empty_destination_drops_no_records",
        "steps/verify.py",
        "_verified_at",
        "        if not missing_or_empty:",
        "        if True:",
    ),
    Mutant(
        "the source is listed again just before a deletion",
        "test_a_file_changed_while_its_copy_is_verified_stays",
        "steps/rules.py",
        "reason_at_source",
        "    if not record.is_of(found):\n        return Why(KeepReason",
        "    if False:\n        return Why(KeepReason",
    ),
    Mutant(
        "nothing behind a symlink is deleted",
        "test_a_file_behind_a_symlinked_directory_stays",
        "steps/batches.py",
        "list_again",
        "        elif not reason:",
        "        elif False:",
    ),
    Mutant(
        "names that differ only in case or form stay",
        "test_names_that_differ_only_in_case_or_form_both_stay",
        "steps/rules.py",
        "reason_to_keep",
        "    if collides:\n        return Why(KeepReason.COLLISION",
        "    if False:\n        return Why(KeepReason.COLLISION",
    ),
    Mutant(
        "an unsent name that differs only in case keeps a file",
        "test_a_file_stays_while_a_similar_name_is_not_yet_sent",
        "steps/batches.py",
        "list_again",
        "sorted(group), collisions=True, see=see)",
        "sorted(group), collisions=False, see=see)",
    ),
    Mutant(
        "an empty directory is quarantined before its deletion",
        "test_a_file_that_arrives_under_the_old_name_survives",
        "steps/quarantine.py",
        "quarantine",
        "            client.rename(store.source, new[quarantined_path], quarantined_path)\n",
        "            store.quarantined.pop(quarantined_path)\n"
        "            store.quarantined[new[quarantined_path]] = new[quarantined_path]\n",
    ),
    Mutant(
        "a quarantined directory is listed again",
        "test_a_file_that_arrives_in_a_quarantine_survives",
        "steps/prune.py",
        "_delete_quarantined",
        "empty_paths = empty.empty_trees_of(group, walk, has_marker)",
        "empty_paths = group",
    ),
    Mutant(
        "a quarantine is saved before the rename",
        "test_a_kill_after_the_rename_leaves_no_quarantine",
        "steps/quarantine.py",
        "quarantine",
        "    session.save()\n",
        "",
    ),
    Mutant(
        "on a mount only empty directories are removed",
        "test_on_a_mount_a_file_that_arrives_after_the_scan_survives",
        "steps/prune.py",
        "_remove_here",
        "                os.rmdir(path)",
        '                __import__("shutil").rmtree(path)',
    ),
    Mutant(
        "locks are exclusive",
        "test_a_lock_held_by_one_run_keeps_another_out",
        "locks.py",
        "_taken",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
    ),
    Mutant(
        "one program at a time uses the datastore",
        "test_a_program_waits_until_the_other_has_ended",
        "context.py",
        "RunContext.store_locked",
        "with locked(path, timeout=LOCK_TIMEOUT) if not self.dry else",
        "with locked(path, timeout=LOCK_TIMEOUT) if False else",
    ),
    Mutant(
        "the sum of the datastore is checked",
        "test_any_altered_added_or_missing_byte_is_damage",
        "storage.py",
        "load",
        "    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:",
        "    if False:",
    ),
    Mutant(
        "an error is never read as empty",
        "test_a_directory_that_cannot_be_listed_keeps_its_records",
        "globus/listing.py",
        "directory",
        "    if len(document.DATA) < document.total and not filtered:",
        "    if False:",
    ),
    Mutant(
        "an error is never read as not found",
        "test_an_endpoint_lost_during_the_scan_ends_the_run",
        "globus/listing.py",
        "why_unlisted",
        "if (error.http_status == 404 and code in NOT_FOUND)",
        "if (error.http_status == 404)",
    ),
    Mutant(
        "an empty source drops nothing",
        "test_a_suddenly_empty_source_drops_no_records",
        "steps/forget.py",
        "forget",
        "    if _is_suddenly_empty(session, plan):\n        return\n",
        "",
    ),
    Mutant(
        "KEEP_DAYS",
        "test_a_delivered_file_is_deleted_after_keep_days",
        "steps/rules.py",
        "reason_to_keep",
        "keeping.now - sent_at < keeping.keep_days * DAY",
        "keeping.now - sent_at < keeping.keep_days * 8_640",
    ),
    Mutant(
        "SETTLE_SECONDS",
        "test_a_file_is_deferred_until_stable_for_settle_seconds",
        "steps/rules.py",
        "is_stable",
        "now - mtime >= settle_seconds",
        "now - mtime >= 0",
    ),
    Mutant(
        "source and destination are distinct directories",
        "test_one_directory_under_two_names_stops_both_programs",
        "steps/session.py",
        "distinct",
        "        if below(result.path, settings.src_dir) and not own.isdisjoint(names):",
        "        if False:",
    ),
    Mutant(
        "secrets are redacted",
        "test_secrets_that_a_server_repeats_are_redacted",
        "text.py",
        "register_secret",
        "        SECRETS.add(secret.strip())",
        "        SECRETS.discard(secret)",
    ),
    Mutant(
        "an alert is inhibited by its cause",
        "test_an_alert_is_inhibited_by_its_cause",
        "alerts/due.py",
        "update_open_alerts",
        "if causes.isdisjoint(alert.inhibited_by)",
        "if True",
    ),
    Mutant(
        "a stall is resolved when files get through",
        "test_a_transfer_that_stalls_repeatedly_is_one_alert",
        "steps/poll.py",
        "poll",
        "    if (succeeded or progressing) and not (failed or unknown):",
        "    if not unknown:",
    ),
    Mutant(
        "one program does not resolve an alert of the other",
        "test_delete_does_not_resolve_a_rejected_transfer",
        "alerts/model.py",
        "Alerts.is_resolved",
        'return by in ("", self.program) and self.is_over(key)',
        "return self.is_over(key)",
    ),
    Mutant(
        "a run is the first until Globus has accepted a task",
        "test_after_a_clean_out_new_files_are_sent_as_items",
        "steps/scan.py",
        "scan",
        "    first = not store.mappings\n",
        "    first = not store.files and not store.tasks\n",
    ),
    Mutant(
        "a recursive task delivers only what a listing shows",
        "test_a_directory_that_globus_missed_is_sent_as_items",
        "steps/delivered.py",
        "_not_seen",
        " or not (isinstance(answer, FileVersion) and record.is_of(answer)):\n",
        ":\n",
    ),
    Mutant(
        "a task that reports too few files delivers none",
        "test_all_is_sent_again_if_a_task_reports_too_few_files",
        "steps/delivered.py",
        "find_delivered",
        "    if lists.sent is None or fewer:\n",
        "    if lists.sent is None:\n",
    ),
    Mutant(
        "a file listed with another size is not delivered",
        "test_a_file_that_is_listed_with_another_size_is_sent_again",
        "steps/delivered.py",
        "find_delivered",
        "        elif not _has_size(session.store, path, lists.sent[path]):\n",
        "        elif False:\n",
    ),
    Mutant(
        "lists that come late are waited for",
        "test_lists_that_come_late_are_waited_for",
        "steps/delivered.py",
        "find_delivered",
        "        if now - task.unlisted_since < LISTS_TIMEOUT:\n",
        "        if False:\n",
    ),
    Mutant(
        "lists that never come deliver nothing",
        "test_lists_that_never_come_are_given_up_after_an_hour",
        "steps/delivered.py",
        "LISTS_TIMEOUT",
        "LISTS_TIMEOUT = 3600\n",
        "LISTS_TIMEOUT = 3600 * 24 * 365\n",
    ),
    Mutant(
        "a lost task keeps its files for a day",
        "test_a_lost_task_keeps_its_files_at_the_source_for_a_day",
        "steps/rules.py",
        "reason_to_keep",
        "    if lost:\n        return",
        "    if False:\n        return",
    ),
    Mutant(
        "a task in progress without a record is waited for",
        "test_a_task_in_progress_at_a_reset_overwrites_nothing",
        "steps/startup.py",
        "compare_with_list",
        "            store.tasks[store.next_task_number()] = _adopted(",
        "            _ = _adopted(",
    ),
    Mutant(
        "only an answer with a Globus code rejects a request",
        "test_only_an_error_code_of_globus_rejects_a_request",
        "globus/errors.py",
        "is_rejected",
        "    if error.http_status in (401, 408, 429) or not error.code:\n",
        "    if error.http_status in (401, 408, 429):\n",
    ),
    Mutant(
        "files that Globus did not verify stay",
        "test_files_that_globus_did_not_verify_stay_with_one_alert",
        "steps/rules.py",
        "reason_to_keep",
        "    if not task.verify_checksum:\n",
        "    if False:\n",
    ),
    Mutant(
        "a copy older than its task is not verified",
        "test_an_older_copy_from_a_backup_is_sent_again",
        "steps/rules.py",
        "doubt",
        "    if task.equal or found.mtime >= begin - SLACK:\n",
        "    if True:\n",
    ),
    Mutant(
        "a copy newer than its task is not verified",
        "test_a_copy_that_was_altered_with_equal_size_is_sent_again",
        "steps/rules.py",
        "doubt",
        "    if found.mtime > end + SLACK:\n",
        "    if False:\n",
    ),
    Mutant(
        "the same doubt sends a file again at most once a day",
        "test_a_file_whose_copy_vanishes_each_time_is_sent_once_a_day",
        "steps/verify.py",
        "_resend_or_keep",
        "        (lost.kept if ahead or repeated else lost.again)[path] = found\n",
        "        (lost.kept if ahead else lost.again)[path] = found\n",
    ),
    Mutant(
        "a restored datastore loses its delivered records",
        "test_version_1_restored_after_the_upgrade_is_noticed",
        "context.py",
        "RunContext.load",
        "    if store.generation < newest:\n",
        "    if False:\n",
    ),
    Mutant(
        "a newer task at Globus shows a restored datastore",
        "test_a_newer_task_at_globus_shows_a_restored_code_path",
        "steps/startup.py",
        "compare_with_list",
        "        older |= newer\n",
        "",
    ),
    Mutant(
        "the generation rises above all earlier ones",
        "test_a_new_datastore_starts_above_the_last_generation",
        "context.py",
        "RunContext.load",
        "Datastore(source=settings.src_id, generation=newest)",
        "Datastore(source=settings.src_id)",
    ),
    Mutant(
        "tasks of version 1 are polled once more",
        "test_an_upgrade_drops_files_that_globus_does_not_list",
        "storage.py",
        "_upgrade",
        '        if not task.in_progress:\n            task.status = "ACTIVE"\n',
        "",
    ),
    Mutant(
        "a newer version is not called damaged",
        "test_a_newer_version_stops_both_programs",
        "storage.py",
        "load",
        "    if written and int(written[1]) > VERSION:\n",
        "    if False:\n",
    ),
    Mutant(
        "no destination lies inside that of another source",
        "test_a_destination_inside_another_mapping_is_refused",
        "datastore.py",
        "Mapping.agrees_with",
        "    if one.destination != two.destination:\n",
        "    if True:\n",
    ),
    Mutant(
        "one config file for each CODE_PATH",
        "test_two_configs_with_one_code_path_are_refused",
        "context.py",
        "RunContext._require_own_config",
        " and theirs.pair != settings.pair:\n",
        " and False:\n",
    ),
    Mutant(
        "the marker of another source stops all",
        "test_the_marker_of_another_source_is_refused",
        "steps/marker.py",
        "_require_no_other",
        "    if others:\n",
        "    if False:\n",
    ),
    Mutant(
        "nothing is deleted without the marker",
        "test_without_a_marker_files_are_sent_but_not_deleted",
        "steps/marker.py",
        "require",
        '        if state != "there":\n',
        "        if False:\n",
    ),
    Mutant(
        "no copy of another spelling is overwritten",
        "test_another_spelling_is_held_back_until_it_is_renamed",
        "steps/scan.py",
        "_defer_rejected_and_colliding",
        "    for path, other in list(spelling.find_collisions(session, new)):\n",
        "    for path, other in list(spelling.find_collisions(session, new))[:0]:\n",
    ),
    Mutant(
        "a deletion's age counts from the listing",
        "test_nothing_is_deleted_on_an_old_listing",
        "steps/delete_task.py",
        "delete",
        "    if deletion.age.seconds > deletion.most_seconds:\n",
        "    if False:\n",
    ),
    Mutant(
        "a deletion's deadline counts from the listing",
        "test_the_delete_task_of_a_suspended_run_expires",
        "steps/delete_task.py",
        "delete",
        "        deadline=int(deletion.age.since) + deadline_seconds,\n",
        "        deadline=int(time.time()) + 100 * deadline_seconds,\n",
    ),
    Mutant(
        "a delete task whose end is unknown is cancelled",
        "test_a_delete_task_whose_answer_is_replaced_is_cancelled",
        "steps/delete_task.py",
        "_cancel_unseen",
        "            client.request_cancel(task.task_id)\n",
        "",
    ),
    Mutant(
        "a task that never gets through is halved",
        "test_submissions_shrink_until_a_gateway_accepts_them",
        "steps/submit.py",
        "_Submitting.run",
        "        if task.tries >= MOST_TRIES and not task.recursive:\n",
        "        if False:\n",
    ),
    Mutant(
        "a task that is too large is halved",
        "test_a_delete_task_that_is_too_large_is_halved",
        "globus/errors.py",
        "DIVISIBLE",
        "DIVISIBLE = (400, 413)\n",
        "DIVISIBLE = (400,)\n",
    ),
    Mutant(
        "rejected submissions are bounded in a run",
        "test_many_rejected_files_are_found_within_a_few_runs",
        "steps/submit.py",
        "_Submitting._not_accepted",
        "        if self.rejected <= MOST_REJECTED:\n",
        "        if True:\n",
    ),
    Mutant(
        "files that cannot be deleted come last",
        "test_a_file_that_cannot_be_deleted_delays_others_briefly",
        "steps/deletable.py",
        "plans",
        "    undeleted = frozenset(session.context.read_health().undeleted)\n",
        "    undeleted: frozenset[str] = frozenset()\n",
    ),
    Mutant(
        "a file that stays too long is an alert",
        "test_names_differing_in_case_are_an_alert_in_the_end",
        "steps/session.py",
        "KeepLog.add",
        "        if ended and ended < self.due:\n",
        "        if False:\n",
    ),
    Mutant(
        "a single error of a task is no alert",
        "test_an_error_that_passes_is_no_alert",
        "steps/poll.py",
        "_check_progress",
        "        if not _is_stuck(task, document, now, stall_seconds):\n",
        "        if not _is_stuck(task, document, now, stall_seconds) and False:\n",
    ),
    Mutant(
        "a service that is down ends the run",
        "test_a_service_that_is_down_ends_the_run",
        "globus/listing.py",
        "why_unlisted",
        " or service_down:\n",
        ":\n",
    ),
    Mutant(
        "nothing is deleted while the history cannot be written",
        "test_nothing_is_deleted_while_the_history_cannot_be_written",
        "steps/deletable.py",
        "plans",
        "    facts.require(session)\n",
        "",
    ),
    Mutant(
        "a deletion is in the history before its record is dropped",
        "test_a_deletion_whose_line_cannot_be_written_gets_it_later",
        "steps/delete_task.py",
        "conclude",
        "    facts.record(session, event, deleted, session.store.tasks[number].task_id)\n"
        "    for path in deleted:\n        session.store.drop(path)\n",
        "    for path in deleted:\n        session.store.drop(path)\n"
        "    facts.record(session, event, deleted, session.store.tasks[number].task_id)\n",
    ),
    Mutant(
        "what a leftover delete task has deleted gets its lines",
        "test_after_a_kill_each_deletion_still_gets_its_line",
        "steps/leftovers.py",
        "cancel",
        "else _gone(session, paths)",
        "else []",
    ),
    Mutant(
        "files of a leftover delete task are not forgotten",
        "test_a_deletion_whose_line_cannot_be_written_gets_it_later",
        "steps/forget.py",
        "forget",
        "        if path not in held:\n",
        "        if True:\n",
    ),
    Mutant(
        "what a comparison copied is not deleted",
        "test_a_copy_with_a_flipped_byte_is_repaired_before_the_deletion",
        "steps/compare.py",
        "_results",
        "current.difference(task.unequal or ())",
        "current",
    ),
    Mutant(
        "a file altered at the source stays",
        "test_a_source_rewritten_with_equal_size_and_time_stays",
        "steps/compare.py",
        "without_unequal",
        "results.altered | unequal",
        "unequal",
    ),
    Mutant(
        "no file is compared twice in a day",
        "test_a_comparison_without_a_result_is_repeated_a_day_later",
        "steps/compare.py",
        "without_unequal",
        "results.tried - results.equal",
        "results.tried - results.tried",
    ),
    Mutant(
        "a torn line of the history is closed",
        "test_a_torn_line_is_closed_and_no_other_is_lost",
        "history.py",
        "append",
        'b"" if _is_whole(file, end) else b"\\n"',
        'b""',
    ),
    Mutant(
        "a compressed month is never written again",
        "test_a_compressed_month_is_never_written_again",
        "history.py",
        "_opened",
        '    while months.get(month, "").endswith(".gz"):\n        month = _next(month)\n',
        "",
    ),
    Mutant(
        "what is below a KEEP marker stays",
        "test_a_marked_directory_stays_with_all_below",
        "steps/batches.py",
        "list_again",
        "if is_below_any(path, listed.marked):",
        "if path.rpartition('/')[0] in listed.marked:",
    ),
    Mutant(
        "KEEP markers are looked for just before a deletion",
        "test_a_marker_made_while_copies_are_verified_counts",
        "steps/batches.py",
        "_real_directories",
        "            see(result)\n",
        "",
    ),
    Mutant(
        "empty directories below a KEEP marker stay",
        "test_a_marked_directory_stays_with_all_below",
        "steps/empty.py",
        "find_empty",
        "if not is_below_any(path, marked)]",
        "if path]",
    ),
    Mutant(
        "a directory that is marked in quarantine stays",
        "test_a_directory_marked_in_quarantine_gets_its_name_back",
        "steps/prune.py",
        "_delete_quarantined",
        "empty.empty_trees_of(group, walk, has_marker)",
        "empty.empty_trees_of(group, walk, lambda _names: False)",
    ),
    Mutant(
        "no symbolic link leads to the deletion of a directory",
        "test_a_symbolic_link_on_the_way_leads_to_no_deletion",
        "steps/empty.py",
        "find_empty",
        "return only is None or reached.issuperset(way)",
        "return True",
    ),
    Mutant(
        "a directory that is too young is looked at again",
        "test_a_directory_that_is_too_young_is_remembered",
        "steps/prune.py",
        "_note",
        "[path for path in plan.empty if done.isdisjoint(with_parents(path))]",
        "[]",
    ),
    Mutant(
        "a file stays until another pair has delivered this version of it",
        "test_a_file_stays_without_a_whole_copy_of_the_other_pair",
        "steps/also_at.py",
        "OtherDirectory.reason",
        "(other.size, other.mtime) != (record.size, record.mtime)",
        "False",
    ),
    Mutant(
        "the copy of another pair is verified",
        "test_a_file_stays_without_a_whole_copy_of_the_other_pair",
        "steps/other_copies.py",
        "_unverified",
        "elif recorded.settings.verify_destination:",
        "elif False:",
    ),
    Mutant(
        "the datastore of another pair may have been restored",
        "test_a_file_stays_without_a_whole_copy_of_the_other_pair",
        "steps/also_at.py",
        "_load",
        "if is_older and not other.store.restored:",
        "if False:",
    ),
    Mutant(
        "the oldest files go first",
        "test_the_oldest_go_until_there_is_room",
        "steps/room.py",
        "Oldest.add",
        "record.mtime, path, record",
        "-record.mtime, path, record",
    ),
    Mutant(
        "after each batch the disk is looked at",
        "test_others_may_make_room_meanwhile",
        "steps/remove.py",
        "Removal.carry_out",
        "if plan.enough():",
        "if False:",
    ),
    Mutant(
        "a disk of unknown size is not full",
        "test_nothing_goes_while_the_room_is_unknown",
        "steps/room.py",
        "space_of",
        "if not 0 <= found.f_bavail",
        "if False and not 0 <= found.f_bavail",
    ),
]
