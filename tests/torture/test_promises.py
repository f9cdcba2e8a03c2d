"""Each promise of "nothing lost, nobody let in, no traceback shown", and the tests that inject its fault.

Only that these tests are there is tested here: a promise whose test was renamed or dropped is named.
"""

from __future__ import annotations

import re

import pytest

from lib.settings import PROJECT

PROMISES = {
    # Crash safety
    "kill -9 in prepare, train, index build and a page's job leaves the old or the new": (
        "torture/test_kills.py::test_prepare",
        "torture/test_kills.py::test_killed_again_and_again",
        "torture/test_kills.py::test_prepare_in_a_page",
        "torture/test_kills_training.py::test_train",
        "torture/test_kills_training.py::test_a_training_that_a_page_started",
        "torture/test_kills_training.py::test_a_map_that_a_page_has_made",
        "unit/prepare/test_pipeline.py::test_kill_9_at_any_moment_of_the_first_run",
    ),
    "a full disk is one clear line": (
        "unit/test_artifacts.py::test_a_disk_that_is_really_full",
        "torture/test_faults.py::test_training_on_a_disk_that_is_too_small",
    ),
    "artifacts that may only be read": ("torture/test_faults.py::test_artifacts_that_may_only_be_read",),
    "a folder that disappears": (
        "torture/test_faults.py::test_a_folder_that_disappears_while_it_is_worked_with",
        "torture/test_faults.py::test_a_folder_that_disappears_under_an_open_page",
    ),
    "a clock that jumps": ("torture/test_faults.py::test_a_clock_that_jumps",),
    # Concurrency
    "16 sessions on all pages, a prepare beside them; memory, threads, sockets return": (
        "torture/test_sessions.py::test_a_crowd_on_all_pages_with_a_prepare_beside_it",
    ),
    "a photo that changes under a crowd: every answer is of one state": (
        "torture/test_changes.py::test_a_crowd_sees_the_old_state_or_the_new_one",
        "torture/test_changes.py::test_a_thumbnail_is_never_of_another_picture",
        "torture/test_changes.py::test_a_page_whose_state_goes_away_while_it_is_drawn_is_drawn_anew",
    ),
    "two prepares at once": ("torture/test_sessions.py::test_two_prepares_at_once",),
    "two users start training": (
        "torture/test_sessions.py::test_two_users_start_a_training",
        "unit/learn/test_live_status.py::test_a_process_that_takes_long_to_begin_is_waited_for",
    ),
    "one uploads while another switches space": (
        "torture/test_sessions.py::test_one_uploads_while_another_switches_the_space",
    ),
    "one computation per key": ("torture/test_sessions.py::test_one_computation_for_each_key",),
    # Hostile files
    "at least 200 bad images, folders and names": (
        "torture/test_files.py::test_the_corpus_is_as_large_as_promised",
        "torture/test_files.py::test_every_hostile_file_is_read_or_left_out_with_a_sentence_by_all_alike",
        "torture/test_files.py::test_the_command_prepares_a_hostile_folder_whole",
        "torture/test_files.py::test_files_and_folders_without_permission",
    ),
    "catalog, thumbnailer and upload path are fuzzed": (
        "torture/test_fuzz.py::test_the_decoder_and_the_upload_path",
        "torture/test_fuzz.py::test_the_catalog_of_any_folder",
    ),
    # Hostile users
    "uploads are limited in bytes and pixels before decoding": (
        "torture/test_files.py::test_an_upload_in_the_place_of_the_largest_is_refused_before_it_is_decoded",
        "torture/test_strangers.py::test_an_upload_ends_at_the_limit_and_no_secret_is_logged",
        "unit/data/test_images.py::test_bombs_are_refused_before_they_take_memory",
    ),
    "names and labels are escaped in HTML, Markdown, hover and filters": (
        "torture/test_strangers.py::test_hostile_names_are_shown_and_nothing_else_on_every_page",
        "torture/test_strangers.py::test_no_script_in_a_name_runs_in_a_browser",
        "torture/test_strangers.py::test_a_hostile_class_is_a_value_in_a_filter_and_nothing_else",
    ),
    "no path outside through an id, link, archive, row or address": (
        "torture/test_strangers.py::test_no_link_leads_out_of_the_photos",
        "torture/test_strangers.py::test_no_member_of_an_archive_leaves_its_folder",
        "torture/test_strangers.py::test_no_row_of_a_collection_shows_a_file_of_another_folder",
        "torture/test_strangers.py::test_what_is_typed_as_an_address_is_refused_in_a_sentence",
        "unit/store/test_pool.py::test_a_socket_is_a_path",
    ),
    "no nonsense in a link, from a browser or in the environment breaks a page": (
        "torture/test_links.py::test_no_nonsense_in_a_link_breaks_a_page",
        "torture/test_links.py::test_no_nonsense_of_a_browser_breaks_a_page",
        "torture/test_strangers.py::test_an_address_in_the_environment_that_is_none",
    ),
    "no pickle is run": (
        "torture/test_strangers.py::test_no_artifact_is_unpickled",
        "unit/learn/test_backbone.py::test_pickled_code_in_a_weights_file_is_not_run",
    ),
    "no secret in a page, log, link, artifact or exception": (
        "torture/test_strangers.py::test_no_secret_in_any_page_command_or_file",
        "torture/test_strangers.py::test_an_upload_ends_at_the_limit_and_no_secret_is_logged",
        "unit/store/test_collections.py::test_token_never_stands_in_an_error",
        "pages/test_milvus_collection.py::test_a_typed_token_is_nowhere_to_be_seen",
    ),
    "loopback, XSRF and CORS": (
        "torture/test_strangers.py::test_the_server_is_for_this_machine_and_protected",
        "torture/test_strangers.py::test_strangers_at_the_door",
    ),
    "a login, and secrets.toml that cannot be read": (
        "browser/test_login.py::test_pages_open_after_a_login_and_only_to_those_who_are_listed",
        "browser/test_login.py::test_claims_that_prove_no_listed_address_let_nobody_in",
        "unit/view/test_auth.py::test_a_file_that_makes_no_sense_opens_nothing",
        "unit/view/test_auth.py::test_a_malformed_list_opens_nothing_on_any_page",
        "unit/test_access.py::test_every_other_email_claim_is_refused",
    ),
    "everything is pinned with hashes": (
        "unit/test_requirements.py::test_everything_in_the_lock_has_one_version_and_its_hashes",
    ),
    # Truth
    "the page shows what the command prints": ("torture/test_truth.py::test_the_page_shows_what_the_command_prints",),
    "artifacts of other data, weights or version are refused by name": (
        "unit/prepare/test_workspace.py::test_a_state_of_another_version_is_named",
        "unit/prepare/test_workspace.py::test_weights_that_changed_since_are_refused",
        "unit/embed/test_inference.py::test_vectors_of_another_version_are_refused_by_name",
    ),
    "a changed photo changes the fingerprint and is embedded alone": (
        "torture/test_truth.py::test_a_changed_photo_changes_the_fingerprint_and_is_embedded_alone",
    ),
    "equal seeds, equal results": (
        "torture/test_truth.py::test_seeds_give_equal_results_run_to_run",
        "unit/learn/test_run_all.py::test_a_seed_makes_a_run_and_another_one_another",
    ),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_has_its_tests(promise: str) -> None:
    for test in PROMISES[promise]:
        file, name = test.split("::")
        source = (PROJECT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), test
