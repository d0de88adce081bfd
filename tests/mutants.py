"""Deliberate mistakes in the code that decides, by the rule that each breaks; see mutation.py."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A mistake in `file`: `old` becomes `new`, and `test` is to fail.

    `rule` is what the table of README.md calls what is broken.
    """

    rule: str
    test: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "the intent is saved first",
        "test_killed_before_the_answer_comes_the_next_run_leads_to_one_task",
        "submitting.py",
        "        if self.queue:\n            self.save()\n",
        "",
    ),
    Mutant(
        "the intent of a delete is saved first",
        "test_a_delete_without_a_known_id_is_found_by_its_label_and_cancelled",
        "deleting.py",
        "    store.tasks[number] = task\n    save()\n",
        "    store.tasks[number] = task\n",
    ),
    Mutant(
        "the same submission id again",
        "test_where_it_is_open_whether_there_is_a_task_the_identical_document_is_sent_again",
        "submitting.py",
        "        submission_id=task.submission_id,\n        sync_level",
        "        submission_id=str(__import__('uuid').uuid4()),\n        sync_level",
    ),
    Mutant(
        "only Accepted and Duplicate mean that there is a task",
        "test_where_it_is_open_whether_there_is_a_task_the_identical_document_is_sent_again",
        "tasks.py",
        'answer.get("code") not in ("Accepted", "Duplicate")',
        "False",
    ),
    Mutant(
        "racy entries are sent again",
        "test_a_file_written_twice_within_a_second_is_sent_again",
        "choosing.py",
        "    elif is_racy(entry, task) and terms.began",
        "    elif False and terms.began",
    ),
    Mutant(
        "racy entries are no proof",
        "test_a_file_stays_that_was_written_within_two_seconds_of_the_look",
        "choosing.py",
        "    if is_racy(entry, task):\n        return",
        "    if False:\n        return",
    ),
    Mutant(
        "the short cut for unchanged files leaves out racy entries",
        "test_a_file_written_twice_within_a_second_is_sent_again",
        "choosing.py",
        "        number: task.listed_at - RACE_SECONDS\n",
        "        number: task.listed_at + 9_999\n",
    ),
    Mutant(
        "the short cut for unchanged files is for ended tasks",
        "test_a_skipped_file_is_an_alert_until_its_next_task_has_ended",
        "choosing.py",
        "        if not task.open and pair in",
        "        if task.open and pair in",
    ),
    Mutant(
        "skipped paths are not sent",
        "test_succeeded_except_what_globus_skipped",
        "delivery.py",
        "        if hits:\n            lost.append(path)",
        "        if False:\n            lost.append(path)",
    ),
    Mutant(
        "what is below a skipped directory is not sent",
        "test_succeeded_below_a_skipped_directory_is_not_sent",
        "datastore.py",
        'path = path.rpartition("/")[0]\n',
        'path = ""\n',
    ),
    Mutant(
        "a list of skipped paths that is too short proves nothing",
        "test_succeeded_with_skipped_paths_that_cannot_be_told_means_nothing_was_sent",
        "delivery.py",
        "    return found if len(found) >= (number or 0) else None",
        "    return found",
    ),
    Mutant(
        "a skipped path that the task was not given proves nothing",
        "test_a_skipped_path_that_a_task_was_not_given_proves_nothing",
        "delivery.py",
        "    if not all(below(path, task.source_dir) for path in left_out):",
        "    if False:",
    ),
    Mutant(
        "an unknown task proves nothing",
        "test_a_task_that_globus_does_not_know_or_show_is_sent_again",
        "settling.py",
        "                dropped = paths\n",
        "                dropped = []\n",
    ),
    Mutant(
        "a failed task proves only what it lists, with the size",
        "test_failed_does_not_count_a_file_of_another_size_as_sent",
        "delivery.py",
        "return entry is not None and entry.size == size",
        "return entry is not None and size is not None",
    ),
    Mutant(
        "one full task at a time",
        "test_full_waits_while_a_transfer_is_open_and_says_so",
        "looking.py",
        "full=not open_tasks and (first or wanted)",
        "full=first or wanted",
    ),
    Mutant(
        "a full task has everything",
        "test_while_a_full_task_is_open_everything_waits",
        "datastore.py",
        "            task.full and task.open and below(path, task.source_dir)",
        "            False and below(path, task.source_dir)",
    ),
    Mutant(
        "an open task is no proof",
        "test_a_file_stays_while_its_task_is_open",
        "choosing.py",
        "    if task.open or under_way:\n        return",
        "    if under_way:\n        return",
    ),
    Mutant(
        "deletes have a short deadline",
        "test_a_delete_has_explicit_paths_no_globs_and_a_short_deadline",
        "deleting.py",
        "deadline=int(deletion.age.since) + deadline_seconds",
        "deadline=int(deletion.age.since) + 100 * deadline_seconds",
    ),
    Mutant(
        "deletes that linger are cancelled",
        "test_a_delete_that_does_not_succeed_is_ended_and_told_and_its_entries_stay",
        "deleting.py",
        "        if ended.status in OPEN:\n            ended = cancel",
        "        if False:\n            ended = cancel",
    ),
    Mutant(
        "leftover deletes are cancelled",
        "test_a_delete_without_a_known_id_is_found_by_its_label_and_cancelled",
        "opening.py",
        "        deleting.cancel_deletes(client, store, run.findings, run.started)\n",
        "",
    ),
    Mutant(
        "nothing is done beside a leftover delete that cannot be cancelled",
        "test_while_it_cannot_be_cancelled_nothing_else_is_done",
        "deleting.py",
        "                if not gone and not over:",
        "                if False:",
    ),
    Mutant(
        "look at the destination: a missing copy is no proof",
        "test_a_file_that_is_not_whole_at_the_destination_is_sent_again_and_goes_then",
        "choosing.py",
        "    if found is None:\n        return Doubt(MISSING)",
        '    if found == "never":\n        return Doubt(MISSING)',
    ),
    Mutant(
        "look at the destination: a copy of another size is no proof",
        "test_a_file_that_is_not_whole_at_the_destination_is_sent_again_and_goes_then",
        "choosing.py",
        "    if found.size != entry.size:",
        "    if False:",
    ),
    Mutant(
        "what cannot be asked for stays",
        "test_what_the_destination_cannot_be_asked_for_stays_and_is_an_alert_until_it_can",
        "versions.py",
        "            answer: Answer = None if outcome.gone else silent\n",
        "            answer: Answer = None\n",
    ),
    Mutant(
        "an empty destination drops nothing",
        "test_nothing_is_concluded_where_all_of_the_destination_is_missing_or_empty",
        "proving.py",
        "        if not barren:",
        "        if True:",
    ),
    Mutant(
        "last look at the source",
        "test_a_file_changed_while_the_destination_is_being_listed_stays",
        "choosing.py",
        "    if not entry.is_of(found):\n        return f",
        "    if False:\n        return f",
    ),
    Mutant(
        "no way through a symlink",
        "test_what_stands_behind_a_symlink_to_another_directory_stays",
        "removing.py",
        "        elif not reason:",
        "        elif False:",
    ),
    Mutant(
        "names alike stay",
        "test_names_that_may_be_one_at_the_destination_both_stay",
        "choosing.py",
        "    if alike:\n        return ALIKE",
        "    if False:\n        return ALIKE",
    ),
    Mutant(
        "names alike at the source stay",
        "test_a_file_stays_while_a_twin_that_was_not_sent_yet_stands_beside_it",
        "removing.py",
        "list(group), alone=True)",
        "list(group), alone=False)",
    ),
    Mutant(
        "move aside",
        "test_a_file_that_arrives_under_the_old_name_meanwhile_survives",
        "asides.py",
        "            client.operation_rename(store.source, directory, aside)",
        "            store.asides.pop(aside)\n            store.asides[directory] = directory",
    ),
    Mutant(
        "look again at what stands aside",
        "test_a_file_that_arrives_in_what_stands_aside_survives_under_its_name",
        "removing.py",
        "            if asides.seen_empty(session.look(source, [aside], lambda _name: True))",
        "            if True",
    ),
    Mutant(
        "what is moved aside is remembered first",
        "test_killed_after_the_rename_it_is_put_back_or_removed",
        "asides.py",
        "    save()\n    for aside, directory in list(",
        "    for aside, directory in list(",
    ),
    Mutant(
        "on a mount only what is empty goes",
        "test_on_a_mount_a_file_that_arrives_after_the_look_survives",
        "removing.py",
        "                os.rmdir(below)",
        '                __import__("shutil").rmtree(below)',
    ),
    Mutant(
        "locks",
        "test_what_one_run_has_locked_another_cannot_lock",
        "locks.py",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
    ),
    Mutant(
        "one program at the datastore",
        "test_a_program_waits_for_the_other_and_works_then",
        "utils.py",
        "with locked(path, patience=LOCK_PATIENCE) if not self.dry else",
        "with locked(path, patience=LOCK_PATIENCE) if False else",
    ),
    Mutant(
        "the sum",
        "test_a_datastore_with_any_byte_altered_added_or_missing_is_damaged",
        "datastore.py",
        "    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:",
        "    if False:",
    ),
    Mutant(
        "an error is never read as empty",
        "test_a_directory_that_cannot_be_listed_is_reported_and_left_as_it_is",
        "listing.py",
        "    if len(document.DATA) < document.total and not filtered:",
        "    if False:",
    ),
    Mutant(
        "an error is never read as gone",
        "test_an_endpoint_that_goes_away_during_the_look_ends_the_run_and_concludes_nothing",
        "listing.py",
        "if (error.http_status == 404 and code in NOT_FOUND)",
        "if (error.http_status == 404)",
    ),
    Mutant(
        "an empty source forgets nothing",
        "test_an_empty_source_where_files_were_forgets_nothing_and_is_an_alert",
        "looking.py",
        "    if _is_suddenly_empty(session, looked):\n        return\n",
        "",
    ),
    Mutant(
        "KEEP_DAYS",
        "test_a_sent_file_stays_for_keep_days_and_goes_then",
        "choosing.py",
        "keeping.now - sent_at < keeping.keep_days * 86_400",
        "keeping.now - sent_at < keeping.keep_days * 8_640",
    ),
    Mutant(
        "SETTLE_SECONDS",
        "test_a_file_is_left_alone_until_it_is_quiet_for_settle_seconds",
        "choosing.py",
        "now - mtime >= settle_seconds",
        "now - mtime >= 0",
    ),
    Mutant(
        "two places",
        "test_one_place_under_two_names_is_found_out_before_anything_is_deleted",
        "marker.py",
        "        if name in names and below(outcome.path, settings.src_dir):",
        "        if False:",
    ),
    Mutant(
        "no secret leaves",
        "test_what_a_server_repeats_of_our_secrets_goes_nowhere",
        "wording.py",
        "        SECRETS.add(secret.strip())",
        "        SECRETS.discard(secret)",
    ),
    Mutant(
        "an effect waits behind its cause",
        "test_an_effect_is_not_told_beside_its_cause_or_in_the_run_that_ends_that",
        "alerts.py",
        "if causes.isdisjoint(alert.effect_of)",
        "if True",
    ),
    Mutant(
        "a stall is over when files get through",
        "test_a_stalled_transfer_that_expires_and_stalls_again_is_one_alert",
        "settling.py",
        "    if (settled.succeeded or settled.moving) and not (settled.failed or settled.unclear):",
        "    if not settled.unclear:",
    ),
    Mutant(
        "what one program sees the other does not resolve",
        "test_where_only_transfers_are_refused_delete_does_not_resolve_that",
        "opening.py",
        "    run.findings.alone = True\n",
        "",
    ),
]
