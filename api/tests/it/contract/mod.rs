//! The points of contract §10, one file each.

mod point_10_show_rows_and_single_reports;
mod point_11_the_tail_log;
mod point_12_reports_metadata;
