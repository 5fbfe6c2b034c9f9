"""Faults that were found by using Ulmus, and the tests that hold the right behaviour: a table to look things up in.

Each row is a kind of fault, as a user would describe it, and the tests that fail when any of that kind comes back.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

FAULTS: dict[str, str] = {
    "An empty line makes fewer rows than lines, or one document of a whole file.": """
        corpus/test_documents::test_an_empty_line_at_the_end_changes_nothing
        corpus/test_documents::test_an_empty_line_among_a_text_a_line_is_an_empty_text
        corpus/test_documents::test_regular_blank_lines_part_documents
        cli/test_reading::test_a_file_and_the_standard_input_give_the_same_rows""",
    "A stray quotation mark swallows rows.": """
        corpus/test_delimited::test_a_stray_quotation_mark_swallows_no_rows
        corpus/test_delimited::test_two_stray_quotation_marks_swallow_no_rows
        corpus/test_delimited::test_a_guess_never_loses_a_row_in_silence
        corpus/test_delimited::test_a_row_beyond_the_sample_is_checked_too""",
    "Hidden and system entries become texts, classes or parts.": """
        corpus/test_folders::test_hidden_and_system_entries_are_left_out_and_said
        corpus/test_folders::test_the_files_beside_parquet_parts""",
    "A first row is taken for a header, or a header for a row.": """
        corpus/test_delimited::test_a_header_is_guessed_where_columns_are_numbers
        corpus/test_delimited::test_what_may_be_a_header_is_said
        corpus/test_delimited::test_empty_lines_are_no_rows""",
    "Rows of zeros and ones are read as sets of the numbers 0 and 1.": """
        corpus/test_labels::test_a_table_of_zeros_and_ones_is_the_multi_label_matrix
        corpus/test_several_labels::test_several_label_columns_hold_zeros_and_ones
        tasks/classifier/test_label_tables::test_indicator_rows_are_not_sets_of_the_numbers_0_and_1""",
    "Lists that were saved as text become classes with brackets.": """
        corpus/test_several_labels::test_lists_saved_as_text_are_several_labels
        corpus/test_saved_lists::test_a_list_of_strings_comes_back_as_it_was
        corpus/test_checks::test_labels_that_are_saved_lists_are_refused_or_said""",
    "Values that are no strings become their Python repr.": """
        corpus/test_formats::test_one_table_in_every_format_is_the_same_records
        corpus/test_formats::test_how_a_value_is_written
        corpus/test_arrow::test_values_that_are_no_texts""",
    "A bad row ends the process by a signal.": """
        corpus/test_delimited::test_an_error_is_no_crash
        corpus/test_arrow::test_changed_bytes_never_crash
        cli/test_reading::test_a_bad_row_exits_with_1""",
    "Quotation marks after a space, several __label__ of a line, a header in mid-file.": """
        corpus/test_delimited::test_spaces_before_a_quotation_mark_are_none_of_the_cell
        corpus/test_delimited::test_a_repeated_header_is_no_row
        corpus/test_documents::test_labels_of_fasttext""",
    "A forked process hangs when it predicts.": """
        tasks/test_fork::test_a_forked_process_predicts_the_same_as_its_parent
        tasks/test_fork::test_a_process_forked_while_a_thread_tokenizes_tokenizes_too""",
    "A pipe of another encoding ends in UnicodeEncodeError.": """
        cli/test_terminal_output::test_a_pipe_of_another_encoding_gets_utf8""",
    "A model is measured on texts it was trained on, or a class on no text, in silence.": """
        tasks/classifier/test_measuring::test_validation_texts_that_are_all_training_texts_are_refused
        tasks/classifier/test_measuring::test_texts_that_are_trained_on_are_not_measured_on
        tasks/classifier/test_measuring::test_a_class_that_no_held_out_text_has_is_named
        cli/test_evaluate::test_texts_that_were_trained_on_are_noticed
        corpus/test_folders::test_training_and_test_data_are_not_read_together""",
    "A key that the first JSON line lacks is no column.": """
        corpus/test_jsonlines::test_a_column_that_one_row_lacks""",
    "A spreadsheet, an archive or a pickle is called text in a wrong encoding.": """
        corpus/test_streams::test_what_is_no_text_is_named
        corpus/test_streams::test_what_is_no_text_is_named_in_packed_files
        corpus/test_arrow::test_tables_of_any_name
        corpus/test_jsonlines::test_fields_in_objects""",
    "A model trained on two columns silently reads one of them.": """
        cli/test_remembered::test_the_columns_of_the_training_are_read_by_default
        cli/test_remembered::test_a_file_without_these_columns_is_an_error_that_says_what_to_specify""",
    "Word counts answer missing texts, wrong labels and single texts with tracebacks or nonsense.": """
        tasks/test_word_counts::test_bad_input_says_what_to_do
        tasks/test_word_counts::test_a_single_text_is_not_taken_for_a_list_of_characters
        tasks/test_word_counts::test_using_it_before_fit_is_scikit_learns_error_too
        tasks/test_extremes::test_a_language_model_can_be_trained_on_one_line""",
    "Ids cannot be carried along, classes have no scores, texts and classes no weights.": """
        cli/test_predict::test_kept_columns_are_copied
        cli/test_evaluate::test_every_class_has_its_scores
        tasks/classifier/test_scikit_learn::test_texts_of_weight_0_are_ignored
        tasks/classifier/test_scikit_learn::test_a_dict_weights_the_classes""",
    "An output destroys an input.": """
        cli/test_guard::test_no_command_overwrites_its_input
        cli/test_guard::test_a_file_of_another_kind_is_not_replaced
        cli/test_guard::test_shell_redirection_counts_too""",
    "An id column is taken as label, text and label are swapped, classes differ in case only.": """
        corpus/test_checks::test_an_id_column_as_label_is_refused
        corpus/test_checks::test_text_and_label_swapped_is_refused
        corpus/test_checks::test_classes_that_differ_in_case_or_white_space_only_are_said
        cli/test_guard::test_swapped_model_and_texts_are_reported""",
    "Word counts forget the names of the classes.": """
        tasks/classifier/test_file::test_word_counts_know_the_names_of_the_classes
        tasks/classifier/test_file::test_files_with_class_numbers_as_strings_still_load""",
    "A stage without a step logs a loss of 0; a second run repeats batches and dropout.": """
        train/test_loop::test_an_epoch_whose_time_is_up_before_its_first_step_tells_the_last_loss
        train/test_loop::test_a_second_run_on_the_same_batches_repeats_neither_order_nor_dropout""",
    "A mix worse than the word counts in it is shipped; nobody says what was cut short.": """
        tasks/classifier/test_fitting::test_a_mix_that_is_worse_than_the_counts_is_not_used
        train/test_callbacks::test_a_stage_ended_by_its_time_budget_reports_the_steps_done""",
    "A classifier is no good citizen among scikit-learn's tools.": """
        tasks/classifier/test_scikit_learn::test_predictions_are_an_array
        tasks/classifier/test_scikit_learn::test_a_table_of_one_column_is_a_column
        tasks/classifier/test_scikit_learn::test_texts_and_labels_can_be_called_x_and_y
        tasks/classifier/test_scikit_learn::test_a_model_that_is_not_fitted_raises_scikit_learns_error
        tasks/classifier/test_scikit_learn::test_settings_of_the_config_can_be_searched
        tasks/classifier/test_scikit_learn::test_a_missing_label_makes_a_text_unlabelled""",
    "info is a wall of settings; a misspelt option is no help.": """
        cli/test_info::test_info_shows_a_page_for_people
        cli/test_info::test_info_is_never_wider_than_the_terminal
        cli/test_app::test_help_is_grouped_and_ends_with_an_example
        cli/test_app::test_other_spellings_are_accepted""",
    "Some script or symbol takes quadratic time.": """
        text/test_linear::test_tokenizing_takes_time_in_proportion_to_length
        text/test_linear::test_decoding_takes_time_in_proportion_to_length""",
    "Wrong numbers in a model file load and predict NaN.": """
        tasks/test_hostile_files::test_an_altered_classifier_file_is_refused_or_predicts
        tasks/test_hostile_files::test_an_altered_language_model_file_is_refused_or_generates
        golden/test_golden::test_a_file_of_a_newer_format_is_refused_in_one_sentence""",
    "A model file that is overwritten while it is loaded predicts something else.": """
        test_bundle_changes::test_a_file_that_changes_after_it_was_opened_changes_nothing
        test_bundle_changes::test_a_file_that_changes_while_it_is_read_is_refused""",
    "Two runs share a work folder; links are followed; modes are lost; damage is resumed from.": """
        cli/test_outputs::test_two_runs_do_not_share_a_work_folder
        cli/test_outputs::test_an_input_is_identified_by_its_content
        test_storage_shared::test_a_lock_is_not_taken_through_a_planted_link
        test_storage_shared::test_a_file_that_is_replaced_keeps_its_permissions
        train/test_checkpoint_damage::test_every_flipped_byte_of_a_checkpoint_is_noticed
        tasks/test_ids::test_a_damaged_tokenizer_in_a_work_folder_is_reported_and_retrained
        data/test_store::test_a_flipped_byte_is_damage_and_written_anew""",
    "Escape sequences of foreign data reach the terminal.": """
        cli/test_terminal_output::test_a_foreign_model_sends_no_escape_sequence
        cli/test_terminal_output::test_labels_in_tables_send_no_escape_sequence""",
    "A damaged stream ends a file in silence; a small file takes gigabytes.": """
        corpus/test_streams::test_a_damaged_stream_is_an_error
        corpus/test_streams::test_a_giant_is_an_error_in_bounded_memory
        corpus/test_arrow::test_a_small_file_of_large_texts_is_read_in_bounded_memory""",
    "Odd encodings, files and settings end in tracebacks.": """
        corpus/test_encodings::test_utf16_without_its_mark_is_an_error
        corpus/test_jsonlines::test_a_bad_row_is_named
        corpus/test_arrow::test_strings_that_are_not_utf8
        corpus/test_folders::test_links
        tasks/test_extremes::test_an_invalid_seed_is_refused_at_once
        tasks/test_extremes::test_a_classifier_can_be_trained_on_two_texts
        train/test_divergence::test_a_learning_rate_out_of_all_proportion_ends_the_run""",
    "A cell of a csv file is run by a spreadsheet.": """
        cli/test_writers::test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe
        cli/test_writers::test_numbers_and_single_signs_are_unchanged""",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_tests(fault: str) -> None:
    """The tests that the table names are there."""
    for name in FAULTS[fault].split():
        file, _, test = name.partition("::")
        source = (TESTS / f"{file}.py").read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", source, re.MULTILINE), name
