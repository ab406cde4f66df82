//! The promises of the design, one file and one test for each.
//!
//! What they say of PostgreSQL, Redis and Elasticsearch is promised, and tested, with the deployed profile.

mod a_failing_part_fails_alone;
mod accepted_is_kept;
mod bad_input_gets_a_clear_answer;
mod bounded;
mod counts_equal_the_rows;
mod every_accepted_report_ends_somewhere_its_sender_can_read;
mod everything_derived_can_be_thrown_away;
mod nothing_private_leaks;
mod sent_twice_counted_once;
mod the_change_feed_is_complete;
