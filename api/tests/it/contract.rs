//! The routes of the CPAN Testers contract, by the points of its conformance list (contract §10).

mod data;
mod facts;
mod feeds;
mod legacy;
mod oracle;
mod point_01_submit;
mod point_02_register;
mod point_03_no_redirects;
mod point_04_names;
mod point_05_versions;
mod point_06_sent_twice;
mod point_07_release_list;
mod point_08_errors;
mod point_09_summary;
mod point_10_show_rows_and_single_reports;
mod point_11_the_tail_log;
mod point_12_reports_metadata;
mod point_13_swagger;
mod point_14_late_reports;
mod point_15_collector;
mod published;
mod uploads;
